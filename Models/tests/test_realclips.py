import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import context  # noqa: F401
import numpy as np
from photograph_set import COLOURS, SetWriter, street

from dvis.data.drawn.scenes import EVALUATION_SEEDS
from dvis.data.footage import ClipSource, class_table, frame_size, relabel
from dvis.data.photos.photographs import IGNORE, Photographs
from dvis.data.photos.realclips import make_clip, make_real_scene
from dvis.data.photos.realscenes import Look, Wave
from dvis.networks.config import REAL_CLASSES, SHAPES_MODEL_CLASSES

# A sensor that changes nothing.
PLAIN = Look(Wave(1.0), Wave(0.0), (1.0, 1.0, 1.0), 1.0, 1.0, 0.0, 0.0, 0.0, None)
SEED = 3_000_000


class Clips(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        cls.street = Photographs.load([street(cls.folder / "street")], "train")

    def scenes(self, count, photographs=None):
        """Scenes without occluders and other things, seen by the plain sensor."""
        for seed in range(SEED, SEED + count):
            scene = make_real_scene(photographs or self.street, seed, 16 / 9)
            yield replace(scene, actors=tuple(actor for actor in scene.actors
                                              if actor.label is not None), look=PLAIN)

    def test_same_seed_same_clip_other_seed_other_clip(self):
        first, second = (make_clip(self.street, SEED + 1, 4, 144, 256) for _ in range(2))
        for one, other in zip(first, second):
            np.testing.assert_array_equal(one, other)
        self.assertEqual(((4, 144, 256, 3), (4, 144, 256)), (first[0].shape, first[1].shape))
        self.assertTrue((first[0] != make_clip(self.street, SEED + 2, 4, 144, 256)[0]).any())

    def test_a_frame_is_a_function_of_its_time_alone(self):
        scene, again = (make_real_scene(self.street, SEED + 5, 4 / 3) for _ in range(2))
        scene.frame(0, 96, 128)
        for one, other in zip(scene.frame(9, 96, 128), again.frame(9, 96, 128)):
            np.testing.assert_array_equal(one, other)

    def test_ids_lie_where_the_objects_are_in_every_frame(self):
        """Every class has its colour: what a number covers has the colour of its class, and nothing
        else has it."""
        moved = []
        for scene in self.scenes(6):
            places = {}
            for t in (0, 13, 40, 90):
                image, ids = scene.frame(t, 144, 256)
                ratio = image / np.maximum(image.sum(-1, keepdims=True), 1)
                for number, label in enumerate(scene.labels, 1):
                    inside = eroded(ids == number)
                    name = REAL_CLASSES[label]
                    colour = np.array(COLOURS["dog" if name == "animal" else name], float)
                    if inside.any():
                        self.assertLess(np.abs(ratio[inside] - colour / colour.sum()).max(), 0.12)
                        places.setdefault(number, []).append(np.argwhere(inside).mean(0))
                coloured = np.abs(ratio - np.array((100, 120, 100)) / 320).max(-1) > 0.2
                self.assertEqual(0, eroded(coloured & (ids == 0)).sum())
            moved += [np.linalg.norm(np.ptp(np.array(all_places), 0))
                      for all_places in places.values()]
        self.assertGreater(np.mean(np.array(moved) > 3), 0.5)

    def test_the_camera_never_shows_what_lies_beyond_the_photograph(self):
        for scene in self.scenes(8):
            for t in (0, 50, 119):
                self.assertGreater(replace(scene, actors=()).frame(t, 144, 256)[0].min(), 0)

    def test_crowds_and_tiny_objects_are_ignored(self):
        photos = SetWriter(self.folder / "crowd")
        number = photos.photograph([("person", 150, 110, 156, 114), ("car", 60, 60, 180, 100),
                                    ("dog", 200, 20, 203, 24)], size=(240, 180))
        photos.crowd(number, "person", 100, 110, 140, 150)
        photographs = Photographs.load([photos.write()], "train")
        scene = next(self.scenes(1, photographs))
        still = replace(scene.camera, x=Wave(0.0), y=Wave(0.0), zoom=Wave(0.0), roll=Wave(0.0),
                        origin=0j, scale=135.0)
        ids = replace(scene, camera=still, actors=()).frame(0, 135, 240)[1]
        expected = np.zeros((135, 240), np.uint8)
        expected[60:100, 60:180] = 1
        expected[110:135, 100:140] = IGNORE
        expected[110:114, 150:156] = 2          # 24 pixels of a view 135 high: just large enough
        expected[20:24, 200:203] = IGNORE
        np.testing.assert_array_equal(expected, ids)

    def test_the_mix_of_clips(self):
        """A tenth without objects, most others with several of one class, some look-alikes."""
        empty = same = twins = 0
        for seed in range(SEED, SEED + 80):
            scene = make_real_scene(self.street, seed, 4 / 3)
            labels = [actor.label for actor in scene.actors if actor.label is not None]
            shapes = [tuple(sorted(actor.sprite.image.size))
                      for actor in scene.actors if actor.label is not None]
            empty += not len(scene.labels)
            same += len(scene.labels) > len(set(scene.labels.tolist()))
            twins += len(set(shapes)) < len(shapes) and len(labels) > 1
        self.assertTrue(0.02 < empty / 80 < 0.2, empty)
        self.assertGreater(same / 80, 0.5)
        self.assertGreater(twins / 80, 0.2)

    def test_an_object_behind_another_has_fewer_pixels(self):
        scene = next(scene for scene in self.scenes(30) if len(scene.actors) >= 2)
        first, second = scene.actors[:2]
        nearer = replace(first.path, horizon=first.path.horizon + 0.01)
        stacked = replace(scene, actors=(first, replace(second, path=nearer)))
        alone = replace(scene, actors=(first,),
                        labels=scene.labels[:len(scene.labels) - len(scene.actors) + 1])
        number = len(alone.labels)
        areas = [(some.frame(0, 144, 256)[1] == number).sum()
                 for some in (alone,
                              replace(stacked, labels=np.append(alone.labels, second.label)))]
        self.assertLess(areas[1], 0.6 * max(1, areas[0]))


class Sources(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.photographs = Photographs.load([street(Path(holder.name) / "street")], "train")

    def test_training_never_uses_an_evaluation_seed(self):
        source = ClipSource({"everyday": 1.0}, None, self.photographs, 1.0)
        drawn = [source.draw(np.random.default_rng(n), 2) for n in range(3)]
        for seed in range(3):
            random = np.random.default_rng(seed)
            random.random(), random.choice(2)
            clip_seed = int(random.integers(EVALUATION_SEEDS, 2 ** 40))
            self.assertGreaterEqual(clip_seed, EVALUATION_SEEDS)
            height, width = drawn[seed].images.shape[1:3]
            images, _, _ = make_clip(self.photographs, clip_seed, 2, height, width)
            np.testing.assert_array_equal(drawn[seed].images, images)

    def test_without_photographs_nothing_changes(self):
        from dvis.data.pools import SPAN, draw_scene
        footage = ClipSource({"heavy": 1.0}).draw(np.random.default_rng(4), 3)
        random = np.random.default_rng(4)
        scene = draw_scene(random, {"heavy": 1.0})
        start = int(random.integers(0, SPAN))
        stride = int(random.choice(3, p=(0.6, 0.25, 0.15))) + 1
        for t in range(3):
            image, ids = scene.frame(start + stride * t)
            np.testing.assert_array_equal(image, footage.images[t])
            np.testing.assert_array_equal(ids, footage.ids[t])
        np.testing.assert_array_equal(scene.labels, footage.labels)

    def test_classes_of_another_list_become_the_models(self):
        names = ("circle", "car", "vehicle", "person")
        self.assertEqual([0, 7, 7, 6], class_table(names, SHAPES_MODEL_CLASSES).tolist())
        self.assertEqual([-1, 3, 6, 0], class_table(names, REAL_CLASSES).tolist())
        ids = np.array([[[0, 1, 2, 4, IGNORE]]], np.uint8)
        footage = relabel(np.zeros((1, 1, 5, 3), np.uint8), ids, np.array([0, 1, 2, 3]), names,
                          REAL_CLASSES)
        # The circle is background, the third is in no frame.
        self.assertEqual([[[0, 0, 1, 2, IGNORE]]], footage.ids.tolist())
        self.assertEqual([3, 0], footage.labels.tolist())

    def test_frames_fit_the_input_rule(self):
        self.assertEqual((160, 256), frame_size(1.6, 160, 256))
        self.assertEqual([(256, 448), (256, 352)],
                         [frame_size(aspect, 256, 512) for aspect in (16 / 9, 4 / 3)])


def eroded(mask):
    """Pixels all of whose neighbours within two pixels belong to the mask."""
    padded = np.pad(mask, 2)
    return np.all([padded[dy:dy + mask.shape[0], dx:dx + mask.shape[1]] for dy in range(5)
                   for dx in range(5)], 0)


if __name__ == "__main__":
    unittest.main()
