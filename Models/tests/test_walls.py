"""Drawn surfaces: what they show, and what a barrier hides."""
import unittest

import numpy as np

import context  # noqa: F401
from dvis.data.photos.walls import draw_barrier, draw_wall


class Walls(unittest.TestCase):
    def test_a_seed_gives_one_surface_with_structure(self):
        first, again, other = (draw_wall(np.random.default_rng(seed), 96, 160)
                               for seed in (4, 4, 5))

        self.assertEqual((first.shape, first.dtype), ((96, 160, 3), np.float32))
        np.testing.assert_array_equal(first, again)
        self.assertGreater(np.abs(first - other).mean(), 5)
        for wall in (first, other):
            self.assertTrue(0 <= wall.min() and wall.max() <= 255)
            self.assertGreater(wall.std(), 3)

    def test_a_barrier_hides_objects_where_it_is_drawn_and_nowhere_else(self):
        hidden = 0
        for seed in range(40):
            image = np.full((96, 160, 3), -1, np.float32)
            ids = np.ones((96, 160), np.int32)

            draw_barrier(np.random.default_rng(seed), image, ids)

            np.testing.assert_array_equal(ids == 0, (image != -1).all(2))
            self.assertTrue((ids == 1).any())
            hidden += (ids == 0).any()
        self.assertGreater(hidden, 30)


if __name__ == "__main__":
    unittest.main()
