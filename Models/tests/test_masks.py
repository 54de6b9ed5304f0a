import json
import unittest

import context
import numpy as np

from dvis.data.photos.masks import fill_polygon, read_polygons, read_run_lengths

CASES = context.MODELS.parent.parent / "shared/data/cases/rle/rle_cases.json"


class Polygons(unittest.TestCase):
    def test_a_pixel_belongs_to_the_polygon_around_its_centre(self):
        mask = fill_polygon(np.array([[1.4, 1.0], [4.6, 1.0], [4.6, 3.0], [1.4, 3.0]]), 4, 6)
        self.assertEqual([[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0],
                          [0, 0, 0, 0, 0, 0]], mask.astype(int).tolist())

    def test_a_triangle_has_its_area_and_its_slope(self):
        mask = fill_polygon(np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]]), 100, 100)
        self.assertAlmostEqual(5000, mask.sum(), delta=50)
        self.assertEqual([100 - row - 1 for row in range(100)], mask.sum(1).tolist())

    def test_what_lies_outside_the_image_is_cut_off_and_holes_stay_open(self):
        whole = fill_polygon(np.array([[-5.0, -5.0], [50.0, -5.0], [50.0, 50.0], [-5.0, 50.0]]), 8,
                             9)
        self.assertTrue(whole.all())
        star = np.array([[5 + 4 * np.cos(a), 5 + 4 * np.sin(a)]
                         for a in 4 * np.pi / 5 * np.arange(5)])
        self.assertFalse(fill_polygon(star, 10, 10)[5, 5])

    def test_broken_polygons_are_refused_in_a_sentence(self):
        for broken, why in (([], "list of polygons"), ([[1, 2, 3, 4]], "at least 6"),
                            ([[1, 2, 3, 4, 5, 6, 7]], "even count"),
                            ([[1, 2, 3, 4, 5, "x"]], "other than numbers"),
                            ([[1, 2, 3, 4, 5, float("nan")]], "finite"), ("x", "list of polygons")):
            with self.assertRaisesRegex(ValueError, why):
                read_polygons(broken)


class RunLengths(unittest.TestCase):
    MASK = [[0, 1, 0], [1, 1, 0]]

    def test_lists_and_strings_go_down_the_columns(self):
        for counts in ([1, 3, 2], "132", b"132"):
            mask = read_run_lengths({"size": [2, 3], "counts": counts}, 2, 3)
            self.assertEqual(self.MASK, mask.astype(int).tolist())

    def test_broken_runs_are_refused_in_a_sentence(self):
        for counts, why in (([1, 3], "of 4 pixels"), ([-1, 7], "list of counts"),
                            ([1.5, 4.5], "list of counts"), (None, "list of counts"),
                            ("o", "broken string"), ("ooooooooooo", "broken string"),
                            ("\x01", "broken string")):
            with self.assertRaisesRegex(ValueError, why):
                read_run_lengths({"size": [2, 3], "counts": counts}, 2, 3)
        with self.assertRaisesRegex(ValueError, r"\[3, 2\] in an image of \[2, 3\]"):
            read_run_lengths({"size": [3, 2], "counts": [6]}, 2, 3)

    @unittest.skipUnless(CASES.exists(), "needs ../shared/data/cases/rle")
    def test_the_official_cases(self):
        cases = json.loads(CASES.read_text())
        for case in cases["masks"]:
            masks = [read_run_lengths({"size": case["size"], "counts": case[key]}, *case["size"])
                     for key in ("counts", "uncompressed")]
            np.testing.assert_array_equal(*masks)
            self.assertEqual(case["area"], masks[0].sum(), case["name"])
        for case in (case for case in cases["polygons"] if "polygon" in case):
            official = read_run_lengths({"size": case["size"], "counts": case["counts"]},
                                        *case["size"])
            ours = fill_polygon(np.reshape(case["polygon"], (-1, 2)), *case["size"])
            self.assertGreater((official & ours).sum() / (official | ours).sum(), 0.98)
        for text in cases["malformed_counts_to_reject_without_crash"]:
            with self.assertRaises(ValueError):
                read_run_lengths({"size": [10, 12], "counts": text}, 10, 12)


if __name__ == "__main__":
    unittest.main()
