import unittest

import context
import numpy as np
from PIL import Image

from dvis.data.drawn.cutouts import Cutouts, cut, group
from dvis.data.drawn.scenes import make_scene

REAL = context.MODELS.parent.parent / "shared/data/train/coco128-seg"


class Cutting(unittest.TestCase):
    def test_classes_fall_into_three_groups(self):
        self.assertEqual([6, 7, 7, None, 8, 8, None],
                         [group(coco) for coco in (0, 1, 8, 9, 14, 23, 24)])

    def test_a_square_is_cut_with_a_transparent_rim(self):
        sprite = cut(Image.new("RGB", (200, 200), (10, 20, 30)),
                     [(50, 50), (100, 50), (100, 100), (50, 100)])
        self.assertEqual((55, 55, 4), sprite.shape)
        self.assertEqual([10, 20, 30, 1], sprite[27, 27].tolist())
        self.assertEqual(0, sprite[0, :, 3].max())

    def test_small_or_thin_objects_are_left_out(self):
        image = Image.new("RGB", (200, 200))
        self.assertIsNone(cut(image, [(50, 50), (60, 50), (60, 60), (50, 60)]))
        self.assertIsNone(cut(image, [(0, 50), (199, 50), (199, 95), (0, 95)]))

    @unittest.skipUnless(REAL.exists(), "needs ../shared/data/train/coco128-seg")
    def test_real_objects_appear_in_scenes_and_held_out_ones_are_others(self):
        train, held = Cutouts.load(REAL), Cutouts.load(REAL, held_out=True)
        self.assertEqual({6, 7, 8}, set(train.sprites) & {6, 7, 8})
        known = {sprite.tobytes() for sprites in train.sprites.values() for sprite in sprites}
        self.assertFalse(any(sprite.tobytes() in known for sprites in held.sprites.values()
                             for sprite in sprites))
        labels = np.concatenate([make_scene("everyday", seed, train).labels for seed in range(60)])
        self.assertTrue(0 < (labels >= 6).mean() < 0.5)


if __name__ == "__main__":
    unittest.main()
