import unittest
from dataclasses import replace

import context  # noqa: F401
import numpy as np

from dvis.data.drawn.scenes import EVALUATION_SEEDS, HEIGHT, TIERS, Occluder, make_scene
from dvis.data.drawn.shapes import SHAPES, distance
from dvis.data.drawn.strip import CELLS, draw_strip, read_strip, strip_cell
from dvis.data.pools import VideoPool
from dvis.data.sample import annotation, run_lengths


class Scenes(unittest.TestCase):
    def test_same_seed_same_video_whatever_was_rendered_before(self):
        for tier in TIERS:
            first, second = make_scene(tier, 5), make_scene(tier, 5)
            first.clip(0, 3)
            for one, other in zip(first.frame(7), second.frame(7)):
                np.testing.assert_array_equal(one, other)

    def test_other_seed_or_tier_other_video(self):
        image = make_scene("everyday", 5).frame(0)[0]
        self.assertTrue((image != make_scene("everyday", 6).frame(0)[0]).any())
        self.assertTrue((image != make_scene("heavy", 5).frame(0)[0]).any())

    def test_training_never_uses_an_evaluation_seed(self):
        seeds = []
        pool = VideoPool(4, 4, 1, 0, lambda progress: {"everyday": 1.0})
        pool.random = _Recorder(pool.random, seeds)
        pool.freshen(1, 0.0)
        self.assertEqual(4, len(seeds))
        self.assertTrue(all(seed >= EVALUATION_SEEDS for seed in seeds))

    def test_a_lone_circle_covers_its_area_at_its_place(self):
        scene = make_scene("light", 0)
        thing = replace(scene.things[0], label=SHAPES.index("circle"), stretch=1.0, swell=0.0,
                        radius=30.0)
        still = replace(thing.path, start=np.array([100.0, 80.0]), velocity=np.zeros(2),
                        wobble=np.zeros(2), low=np.zeros(2), high=np.array([256.0, 160.0]))
        thing = replace(thing, path=still)
        scene = replace(scene, things=(thing,), layers=(thing,), strip=False, pan=np.zeros(2))
        for height, width in ((160, 256), (320, 512)):
            ids = scene.frame(3, height, width)[1]
            scale = height / HEIGHT
            self.assertAlmostEqual(np.pi * 900 * scale ** 2, (ids == 1).sum(),
                                   delta=0.01 * np.pi * 900 * scale ** 2)
            rows, columns = np.nonzero(ids)
            self.assertAlmostEqual(100 * scale, columns.mean() + 0.5, delta=0.2)
            self.assertAlmostEqual(80 * scale, rows.mean() + 0.5, delta=0.2)

    def test_what_is_painted_later_hides_what_was_painted_before(self):
        scene = make_scene("everyday", 3)
        wall = Occluder(np.array([128.0, 80.0]), np.array([300.0, 300.0]), 0.0,
                        scene.things[0].texture)
        self.assertEqual(0, replace(scene, layers=(*scene.layers, wall)).frame(0)[1].max())
        self.assertGreater(replace(scene, layers=(wall, *scene.layers)).frame(0)[1].max(), 0)

    def test_every_shape_is_solid_inside_and_ends_within_its_radius(self):
        y, x = np.mgrid[-1.5:1.5:301j, -1.5:1.5:301j]
        for shape in SHAPES:
            inside = distance(shape, x, y) < 0
            self.assertTrue(0.15 < inside.mean() * 9 / np.pi < 1.01, shape)
            self.assertLessEqual(np.hypot(x, y)[inside].max(), 1.17, shape)

    def test_the_strip_gives_the_frame_number_back(self):
        for height, width in ((160, 256), (320, 512), (720, 1280)):
            for number in (0, 1, 349, 2 ** 24 - 1):
                image = np.random.default_rng(number).integers(0, 255, (height, width, 3)).astype(
                    np.uint8)
                draw_strip(image, number)
                self.assertEqual(number, read_strip(image))
                image[:strip_cell(height), 25 * strip_cell(height):26 * strip_cell(height)] ^= 255
                self.assertIsNone(read_strip(image))

    def test_the_strip_belongs_to_no_object(self):
        scene = replace(make_scene("heavy", 1), strip=True)
        for t in range(0, 60, 6):
            ids = scene.frame(t)[1]
            self.assertEqual(0, ids[:4, :4 * CELLS].max())


class Truth(unittest.TestCase):
    def test_run_lengths_go_down_the_columns_and_start_with_background(self):
        mask = np.array([[1, 0, 0], [1, 0, 1]], bool)
        self.assertEqual([0, 2, 3, 1], run_lengths(mask))
        self.assertEqual([3, 1, 2], run_lengths(np.array([[0, 0, 0], [0, 1, 0]], bool)))

    def test_frames_without_the_object_are_null(self):
        entry = annotation(1, 1, 2, [np.array([[False, True]]), None])
        self.assertEqual([[1, 0, 1, 1], None], entry["bboxes"])
        self.assertEqual([1, None], entry["areas"])
        self.assertEqual({"size": [1, 2], "counts": [1, 1]}, entry["segmentations"][0])


class _Recorder:
    """Passes calls on to a generator and keeps the seeds drawn for scenes."""

    def __init__(self, random, seeds):
        self._random, self._seeds = random, seeds

    def __getattr__(self, name):
        return getattr(self._random, name)

    def integers(self, *arguments, **options):
        value = self._random.integers(*arguments, **options)
        if len(arguments) == 2 and arguments[1] == 2 ** 40:
            self._seeds.append(int(value))
        return value


if __name__ == "__main__":
    unittest.main()
