import unittest

import context  # noqa: F401
import numpy as np

from dvis.evaluation.metrics import Holding, Overlaps, Precision, ahead


def video(holders, shown, queries=3, doubled=()):
    """One object over T frames: the slot that holds it (-1 = none), whether it is visible."""
    frames = len(holders)
    common, predicted = np.zeros((frames, queries, 1)), np.zeros((frames, queries))
    scores = np.zeros((frames, queries, 2))
    for t, slot in enumerate(holders):
        for q in ([slot] if slot >= 0 else []) + ([2] if t in doubled else []):
            common[t, q, 0] = predicted[t, q] = 100
            scores[t, q, 0] = 0.9 if q == slot else 0.8
    return Overlaps(scores, common, predicted, np.where(shown, 100.0, 0.0)[:, None], np.array([0]),
                    np.zeros_like(predicted))


class AveragePrecision(unittest.TestCase):
    def test_all_found(self):
        precision = Precision(best=10)
        precision.add(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[1.0, 0.0], [0.0, 1.0]]),
                      np.array([0, 1]))
        self.assertAlmostEqual(100, precision.result()["ap"])

    def test_a_mask_of_iou_0_72_counts_for_five_of_ten_thresholds(self):
        precision = Precision(best=10)
        precision.add(np.array([[0.9]]), np.array([[0.72]]), np.array([0]))
        self.assertAlmostEqual(50, precision.result()["ap"])
        self.assertAlmostEqual(100, precision.result()["ap50"])

    def test_a_mask_of_iou_one_half_is_found_at_the_lowest_threshold(self):
        for iou, ap50 in ((0.5, 100), (0.4999, 0)):
            precision = Precision(best=10)
            precision.add(np.array([[0.9]]), np.array([[iou]]), np.array([0]))
            self.assertAlmostEqual(ap50, precision.result()["ap50"])

    def test_one_of_two_found_after_a_false_answer(self):
        precision = Precision(best=10)
        precision.add(np.array([[0.9], [0.8]]), np.array([[0.1, 0.0], [0.0, 0.9]]),
                      np.array([0, 0]))
        # precision 1/2 at recall 0..0.5: 51 of 101 recall points
        self.assertAlmostEqual(100 * 0.5 * 51 / 101, precision.result()["ap50"])

    def test_a_second_answer_for_the_same_object_is_false(self):
        precision = Precision(best=10)
        precision.add(np.array([[0.9], [0.95]]), np.array([[0.9, 0.0], [0.8, 0.0]]),
                      np.array([0, 0]))
        self.assertAlmostEqual(100 * 51 / 101, precision.result()["ap50"])

    def test_only_the_best_answers_count_and_other_classes_do_not_match(self):
        precision = Precision(best=1)
        precision.add(np.array([[0.5, 0.6]]), np.array([[1.0]]), np.array([0]))
        self.assertEqual(0, precision.result()["ap50"])


    def test_a_video_that_counts_twice_is_a_video_given_twice(self):
        once, twice = Precision(best=10), Precision(best=10)
        videos = [(np.array([[0.9], [0.7]]), np.array([[0.8], [0.2]]), np.array([0])),
                  (np.array([[0.8], [0.6]]), np.array([[0.1], [0.6]]), np.array([0]))]
        for index, answer in enumerate(videos):
            once.add(*answer)
            for _ in range(1 + index):
                twice.add(*answer)
        self.assertAlmostEqual(twice.result()["ap"], once.result(np.array([1.0, 2.0]))["ap"])

    def test_the_interval_of_a_gain_lies_above_zero_and_that_of_no_gain_holds_zero(self):
        good, bad = Precision(best=10), Precision(best=10)
        for index in range(20):
            good.add(np.array([[0.9 - 0.01 * index]]), np.array([[0.9]]), np.array([0]))
            bad.add(np.array([[0.9 - 0.01 * index]]), np.array([[0.9 if index % 2 else 0.3]]),
                    np.array([0]))
        low, high = ahead(good, bad, 200)["ap50"]
        self.assertGreater(low, 0)
        self.assertGreater(high, low)
        self.assertEqual([0, 0], ahead(good, good, 50)["ap50"])


class Slots(unittest.TestCase):
    def result(self, *arguments, **options):
        holding = Holding()
        holding.add(video(*arguments, **options))
        return holding.result()

    def test_a_change_of_slot_is_a_lost_link(self):
        result = self.result([0, 0, 1, 1], [True] * 4)
        self.assertAlmostEqual(2 / 3, result["link"])
        self.assertAlmostEqual(2 / 3, result["link_strict"])

    def test_a_miss_counts_only_in_the_strict_figure(self):
        result = self.result([0, -1, 0, 0], [True] * 4)
        self.assertEqual((1.0, 1 / 3, 0.25),
                         (result["link"], result["link_strict"], result["missed"]))

    def test_after_a_gap_the_same_slot_or_another(self):
        same = self.result([0, -1, 0], [True, False, True])
        self.assertEqual((1.0, 1), (same["reidentified"], same["gaps"]))
        other = self.result([0, -1, -1, 1], [True, False, True, True])
        self.assertEqual((0.0, 1), (other["reidentified"], other["gaps"]))

    def test_two_confident_slots_on_one_object_are_a_duplicate(self):
        self.assertEqual(0.5, self.result([0, 0, 0, 0], [True] * 4, doubled=(1, 3))["duplicates"])

    def test_iou_of_a_video_adds_the_pixels_of_all_frames(self):
        tube = video([0, -1, 0], [True] * 3)
        self.assertAlmostEqual(200 / 300, tube.video_iou[0, 0])


if __name__ == "__main__":
    unittest.main()
