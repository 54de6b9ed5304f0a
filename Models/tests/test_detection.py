import json
import tempfile
import unittest
from pathlib import Path

import context
import numpy as np
import torch
from photograph_set import SetWriter

from dvis.checkpoints import weights
from dvis.data.photos.photographs import Photographs
from dvis.data.sample import run_lengths
from dvis.evaluation.detection import (average_precision, evaluate_photographs, match, on_images,
                                       table)
from dvis.evaluation.metrics import Precision
from dvis.evaluation.predicting import of_folder, of_model, of_results, predictor, to_frame
from dvis.evaluation.videos import merge_classes, overlaps
from dvis.networks.config import REAL_CLASSES, SHAPES_MODEL_CLASSES
from dvis.networks.input import InputRule
from dvis.networks.model import build


def boxed(left, top, right, bottom, shape=(240, 320)):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


class Curves(unittest.TestCase):
    def test_average_precision_of_a_hand_computed_case(self):
        """Right, wrong, right of three objects: precision 1 up to recall 1/3, 2/3 up to 2/3, none
        beyond."""
        value = average_precision([(0.9, True), (0.8, False), (0.7, True)], 3)
        self.assertAlmostEqual((34 * 1 + 33 * 2 / 3) / 101, value)
        self.assertEqual(1, average_precision([(0.9, True), (0.1, False)], 1))
        self.assertEqual(0, average_precision([], 3))

    def test_the_surest_prediction_takes_its_object_and_objects_that_count_go_first(self):
        iou = np.array([[0.6, 0.9, 0.0], [0.8, 0.0, 0.7], [0.9, 0.0, 0.6], [0.0, 0.0, 0.6]])
        crowd, ignored = np.array([False, False, True]), np.array([False, False, True])
        self.assertEqual([1, 0, 2, 2], match(iou, ignored, crowd, 0.5).tolist())
        self.assertEqual([0, -1], match(np.array([[0.5], [0.49]]), np.zeros(1, bool),
                                        np.zeros(1, bool), 0.5).tolist())
        small = np.array([False, True, False])
        self.assertEqual([0, 2, -1, -1], match(iou, small, np.zeros(3, bool), 0.5).tolist())


class Photos(unittest.TestCase):
    """A person of 60 x 130, a car of 40 x 25, a crowd of persons; an image without objects."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        photos = SetWriter(cls.folder / "set")
        number = photos.photograph([("person", 40, 60, 100, 190), ("car", 160, 20, 200, 45)], "val")
        photos.crowd(number, "person", 200, 100, 320, 240)
        photos.photograph([], "val", coco_split="train2017")
        cls.set = photos.write()
        cls.photographs = Photographs.load([cls.set], "val")

    def measure(self, first, second=(), score=0.5, **options):
        answers = {"images/1.png": list(first), "images/2.png": list(second)}
        return evaluate_photographs(self.photographs,
                                    lambda photograph: answers[photograph.file_name], score,
                                    **options)

    def test_perfect_answers_with_fine_classes(self):
        numbers = self.measure([(0.9, "person", boxed(40, 60, 100, 190)),
                                (0.8, "truck", boxed(160, 20, 200, 45))])
        for kind in ("mask", "box"):
            self.assertEqual((1, 1, 1), (numbers[kind]["ap50"], numbers[kind]["ap"],
                                         numbers[kind]["precision"]))
            self.assertEqual({"small": (1, 1), "medium": (1, 1), "large": (0, 0)},
                             {size: (entry["objects"], entry["found"])
                              for size, entry in numbers[kind]["recall"].items()})
        self.assertIsNone(numbers["mask"]["classes"]["animal"]["ap"])
        self.assertIn("| person | 1 | 1.000 |", table(numbers))

    def test_a_mask_of_half_the_height_counts_up_to_its_overlap(self):
        """IoU 78 / 130 = 0.6 of mask and box: thresholds 0.50, 0.55, 0.60 of ten."""
        numbers = self.measure([(0.9, "person", boxed(40, 60, 100, 138))])
        self.assertEqual((1.0, 0.3),
                         tuple(numbers["mask"]["classes"]["person"][key] for key in ("ap50", "ap")))
        # Of two classes.
        self.assertEqual((0.5, 0.15), (numbers["mask"]["ap50"], numbers["mask"]["ap"]))

    def test_crowds_and_small_objects_are_neither_right_nor_wrong(self):
        in_crowd = [(0.95, "person", boxed(210, 110, 240, 200)),
                    (0.94, "person", boxed(250, 110, 300, 200))]
        numbers = self.measure([*in_crowd, (0.9, "person", boxed(40, 60, 100, 190))])
        self.assertEqual((1.0, 1, 1.0), tuple(numbers["mask"]["classes"]["person"][key]
                                              for key in ("ap50", "published", "precision")))
        small = self.measure([(0.9, "car", boxed(160, 20, 200, 45))], smallest=1024)
        self.assertEqual((0, None, 0), tuple(small["mask"]["classes"]["vehicle"][key]
                                             for key in ("objects", "ap", "published")))
        self.assertEqual(0, self.measure([(0.9, "person",
                                           boxed(110, 20, 199, 240))])["mask"]["precision"])

    def test_the_threshold_decides_precision_and_recall_but_not_ap(self):
        answers = [(0.9, "dog", boxed(0, 0, 30, 30)), (0.4, "person", boxed(40, 60, 100, 190))]
        high, low = self.measure(answers), self.measure(answers, score=0.3)
        self.assertEqual((0.0, 0.5), (high["mask"]["precision"], low["mask"]["precision"]))
        self.assertEqual([0, 1],
                         [numbers["mask"]["recall"]["medium"]["found"] for numbers in (high, low)])
        self.assertEqual(high["mask"]["ap"], low["mask"]["ap"])

    def test_duplicates_scraps_and_false_alarms(self):
        person = boxed(40, 60, 100, 190)
        small = boxed(50, 70, 70, 90)
        answers = [(0.9, "person", person),
                   (0.8, "person", boxed(40, 60, 100, 150)),   # IoU 0.69: a duplicate
                   (0.7, "person", small),                     # a scrap
                   (0.7, "car", small),                        # of another class
                   (0.6, "truck", small),                      # a duplicate of the car
                   (0.3, "person", person)]                    # not published
        predicted = self.measure(answers,
                                 [(0.9, "person", boxed(0, 0, 50, 50)), (0.2, "car", person),
                                  (0.9, "chair", person)])["published"]
        self.assertEqual((6, 2, 1),
                         (predicted["masks"], predicted["duplicates"], predicted["scraps"]))
        self.assertEqual((1, 1), (predicted["empty_images"], predicted["alarms_on_empty_images"]))

    def test_a_split_of_coco_can_be_asked_for(self):
        self.assertEqual(1, self.measure([], coco_split="train2017")["images"])
        with self.assertRaisesRegex(ValueError, "no photographs of test2017"):
            self.measure([], coco_split="test2017")

    def test_where_only_persons_are_annotated_nothing_else_is_judged(self):
        people = SetWriter(self.folder / "people")
        people.photograph([("person", 40, 60, 100, 190)], "val")
        photographs = Photographs.load([people.write()], "val")
        answers = [(0.9, "person", boxed(40, 60, 100, 190)), (0.9, "car", boxed(160, 20, 200, 45))]
        numbers = evaluate_photographs(photographs, lambda photograph: answers, 0.5)
        self.assertEqual((1.0, 1, 0), (numbers["mask"]["precision"], numbers["mask"]["published"],
                                       numbers["published"]["empty_images"]))

    def test_results_files_of_both_forms(self):
        runs = lambda mask: {"size": list(mask.shape), "counts": run_lengths(mask)}
        person, car = boxed(40, 60, 100, 190), boxed(160, 20, 200, 45)
        entries = [{"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": runs(person)},
                   {"image_id": 1, "category_id": 3, "score": 0.8,
                    "segmentation": [[160, 20, 200, 20, 200, 45, 160, 45]]}]
        own = {"categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "bus"}],
               "images": [{"id": 1, "file_name": "images/1.png"}], "annotations": entries}
        for number, file in enumerate((entries, own)):
            path = self.folder / f"results{number}.json"
            path.write_text(json.dumps(file))
            numbers = evaluate_photographs(self.photographs, of_results(path, self.photographs),
                                           0.5)
            self.assertEqual((1, 1), (numbers["mask"]["ap"], numbers["box"]["ap"]))
        for broken, why in (([{"image_id": 1}], "KeyError 'category_id'"),
                            ({"images": []}, "KeyError 'categories'"),
                            ([{**entries[0], "score": "high"}], "could not convert"),
                            ([{**entries[0], "category_id": 77}], "KeyError 77")):
            path.write_text(json.dumps(broken))
            with self.assertRaisesRegex(ValueError, f"not a file of COCO results: .*{why}"):
                of_results(path, self.photographs)
        path.write_text(json.dumps([{**entries[0],
                                     "segmentation": {"size": [1, 1], "counts": [1]}}]))
        with self.assertRaisesRegex(ValueError,
                                    r"image images/1.png: run lengths of size \[1, 1\]"):
            evaluate_photographs(self.photographs, of_results(path, self.photographs), 0.5)


class Predicting(unittest.TestCase):
    RULE = InputRule(64, 128, (100.0, 100.0, 100.0), (50.0, 50.0, 50.0))

    def test_masks_come_back_where_they_were_in_the_frame(self):
        logits = torch.full((1, 16, 24), -5.0)
        logits[0, 4:12, 4:12] = 5.0
        mask = to_frame(logits, (64, 85), (240, 320))[0].numpy()
        rows, columns = np.nonzero(mask)
        scale = 240 / 64
        for found, expected in zip((rows.min(), rows.max(), columns.min(), columns.max()),
                                   (16 * scale, 48 * scale, 16 * 320 / 85, 48 * 320 / 85)):
            self.assertAlmostEqual(expected, found, delta=4)

    def test_a_querys_score_is_its_highest_class_and_no_object_lowers_it(self):
        def segment(image):
            logits = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 20.0]]])
            return logits, torch.full((1, 3, 16, 24), 5.0)
        answers = predictor(segment, self.RULE,
                            ("person", "car"))(np.zeros((240, 320, 3), np.uint8))
        self.assertEqual(["person", "car"], [name for _, name, _ in answers])
        self.assertAlmostEqual(np.exp(2) / (np.exp(2) + 2), answers[0][0], places=5)
        self.assertAlmostEqual(np.e / (2 * np.e + 1), answers[1][0], places=5)

    def test_a_model_and_its_folder_predict_the_same(self):
        folder = context.MODELS / "shapes"
        model = build().eval()
        weights.load(model, folder / weights.NAME)
        image = np.random.default_rng(0).integers(0, 255, (120, 200, 3)).astype(np.uint8)
        image[30:90, 50:110] = (200, 40, 40)
        answers, others = of_model(model)(image), of_folder(folder)(image)
        self.assertGreater(len(answers), 0)
        self.assertEqual([name for _, name, _ in answers], [name for _, name, _ in others])
        for (score, _, mask), (other_score, _, other) in zip(answers, others):
            self.assertAlmostEqual(score, other_score, delta=0.01)
            self.assertLess((mask != other).mean(), 0.01)
        self.assertEqual(len(answers), len(on_images(of_model(model))(_Fixed(image))))


class _Fixed:
    """A photograph of an image at hand."""

    def __init__(self, image):
        self.image = lambda: image


class RealTier(unittest.TestCase):
    def test_scores_of_fine_classes_are_merged_by_the_highest(self):
        scores = np.zeros((2, len(REAL_CLASSES)))
        scores[0, REAL_CLASSES.index("bus")], scores[0, REAL_CLASSES.index("car")], scores[
            1, 0] = 0.3, 0.5, 0.7
        self.assertEqual([[0, 0.5, 0], [0.7, 0, 0]], merge_classes(scores, REAL_CLASSES).tolist())
        shapes = np.eye(len(SHAPES_MODEL_CLASSES))[[0, 7]]
        self.assertEqual([[0, 0, 0], [0, 1, 0]],
                         merge_classes(shapes, SHAPES_MODEL_CLASSES).tolist())

    def test_what_lies_in_ignored_pixels_is_neither_right_nor_wrong(self):
        """One object.

        Query 0 covers it and as much of the ignored half, query 1 lies in the ignored half only."""
        truth = torch.zeros(1, 1, 16, 32)
        truth[..., :8] = 1
        ignore = torch.zeros(1, 16, 32, dtype=torch.bool)
        ignore[..., 16:] = True
        masks = torch.full((1, 2, 4, 8), -9.0)
        masks[0, 0, :, [0, 1, 4, 5]] = 9
        masks[0, 1, :, 5:] = 9
        video = overlaps(np.array([[[0.6], [0.9]]]), masks, truth.flatten(2), np.array([0]), ignore)
        self.assertGreater(video.video_iou[0, 0], 0.85)
        self.assertEqual([True, False], video.video_counts.tolist())
        precision = Precision(10)
        precision.add(video.scores[0][video.video_counts], video.video_iou[video.video_counts],
                      video.labels)
        self.assertEqual(100, precision.result()["ap50"])


if __name__ == "__main__":
    unittest.main()
