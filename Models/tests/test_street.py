import copy
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import context
import numpy as np
from PIL import Image

from dvis.data.sample import RATE, run_lengths
from dvis.data.street.outlined import PhotographError, cut, load
from dvis.data.street.street import Street, read

ROOT = context.MODELS.parent
SAMPLES = ROOT / "samples"
FREE = ("public domain", "CC0-1.0", "CC-BY-2.5", "CC-BY-4.0")
LOST_TIMEOUT = 50    # frames: two seconds at 25 per second
LOW = 72             # rows of the frames that are only compared with each other


def stand_ins(data: dict) -> dict[str, Image.Image]:
    """Images of noise, as large as the outlines need."""
    random = np.random.default_rng(4)
    images = {}
    for name in data["photographs"]:
        points = [point for thing in data["things"] if thing["photograph"] == name
                  for point in thing.get("outline", [])] or [[799, 511]]
        width, height = (int(max(values)) + 2 for values in zip(*points))
        noise = random.integers(0, 256, (height, width, 4), np.uint8)
        noise[..., 3] = 255
        images[name] = Image.fromarray(noise)
    return images


def decode(entry: dict) -> np.ndarray:
    values = np.arange(len(entry["counts"])) % 2
    return np.repeat(values, entry["counts"]).reshape(entry["size"], order="F").astype(bool)


class Composition(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = read()
        cls.images = stand_ins(cls.data)
        cls.street = Street(cls.data, cls.images, LOW)

    def test_a_frame_depends_on_data_photographs_and_number_alone(self):
        again = Street(self.data, self.images, LOW)
        again.frame(3)
        for t in (0, 100, 211):
            for ours, theirs in zip(self.street.frame(t), again.frame(t)):
                np.testing.assert_array_equal(ours, theirs)

    def test_the_clip_goes_on_at_its_end_where_it_began(self):
        ids = [self.street.frame(t)[1] for t in (-2, -1, 0, 1)]
        before, around, after = ((ids[i] != ids[i + 1]).mean() for i in range(3))
        self.assertLess(around, 2 * max(before, after))

    def test_ids_are_where_the_objects_are_drawn(self):
        """Every object in its own colour on grey: the nearest colour of a pixel tells its id."""
        data = copy.deepcopy(self.data)
        data["light"].update(noise=0, waves=[], colour=[1, 1, 1])
        data["light"]["cloud"]["depth"] = 0
        grey = (128, 128, 128)
        colours = [grey, (255, 0, 255), (0, 255, 0), (255, 255, 0), (0, 0, 255), (0, 255, 255)]
        sizes = {name: image.size for name, image in self.images.items()}
        flat = {name: Image.new("RGB", size, grey) for name, size in sizes.items()}
        for thing, colour in zip(data["things"], colours[1:]):
            flat[thing["name"]] = Image.new("RGB", sizes[thing["photograph"]], colour)
            thing.update(photograph=thing["name"], tint=[1, 1, 1])
            thing.pop("shadow", None)
        for part in ("bricks", "concrete"):
            data["wall"][part].update(brick=grey, mortar=grey, colour=grey)
        data["backdrop"]["road"].update(colour=grey, lines=[])
        street = Street(data, flat, 2 * LOW)
        for t in (20, 130, 230, 300):
            image, ids = street.frame(t)
            away = np.abs(image[..., None, :].astype(int) - np.array(colours)).sum(-1)
            wrong = (away.argmin(-1) != ids).mean()
            self.assertLess(wrong, 0.01, f"frame {t}")
            self.assertGreaterEqual(len(np.unique(ids)), 4, f"frame {t}")

    def test_a_cut_out_is_transparent_outside_and_soft_inside_its_outline(self):
        square = [[20, 20], [79, 20], [79, 79], [20, 79]]
        sprite = cut(Image.new("RGB", (100, 100), (200, 100, 50)), square, 30, rim=1.0)
        self.assertEqual((32, 32, 4), sprite.shape)
        sides = (sprite[0], sprite[-1], sprite[:, 0], sprite[:, -1])
        self.assertEqual(0, max(side.max() for side in sides))
        np.testing.assert_allclose([200, 100, 50, 1], sprite[16, 16], atol=1e-3)
        self.assertTrue(0 < sprite[16, 1, 3] < sprite[16, 3, 3] <= 1)


class DataFile(unittest.TestCase):
    def setUp(self):
        self.data = read()

    def test_objects_have_outlines_known_photographs_and_paths_over_the_clip(self):
        for thing in self.data["things"]:
            with self.subTest(thing["name"]):
                self.assertIn(thing["class"], self.data["classes"])
                self.assertIn(thing["photograph"], self.data["photographs"])
                if "outline" in thing:
                    self.assertGreater(len(thing["outline"]), 20)
                    self.assertEqual(2, np.shape(thing["outline"])[1])
                    self.assertGreaterEqual(np.min(thing["outline"]), 0)
                times = [key[0] for key in thing["path"]]
                self.assertEqual(sorted(set(times)), times)
                self.assertEqual(0, times[0])
                self.assertGreaterEqual(times[-1], self.data["frames"] - 1)

    def test_photographs_are_free_and_named_in_the_notice(self):
        notice = (ROOT / "NOTICE").read_text()
        for name, photograph in self.data["photographs"].items():
            with self.subTest(name):
                self.assertIn(photograph.licence, FREE)
                for credit in (photograph.title, photograph.author, photograph.licence,
                               photograph.source, photograph.package, Path(photograph.file).name):
                    self.assertIn(credit, notice)

    def test_a_photograph_that_is_missing_or_another_is_refused(self):
        photograph = replace(self.data["photographs"]["collins"], file="/photo.png")
        with tempfile.TemporaryDirectory() as place:
            with self.assertRaisesRegex(PhotographError, "is missing.*python3-skimage"):
                load(photograph, Path(place))
            Image.new("RGB", (4, 4)).save(Path(place) / "photo.png")
            with self.assertRaisesRegex(PhotographError, "is not the file of python3-skimage"):
                load(photograph, Path(place))


class Shipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data, cls.truth = read(), json.loads((SAMPLES / "street.json").read_text())

    def test_the_files_are_small(self):
        self.assertLess((SAMPLES / "street.mp4").stat().st_size, 3_000_000)
        self.assertLess((SAMPLES / "street.json").stat().st_size, 3_000_000)

    def test_the_truth_describes_the_objects_of_the_data_file(self):
        video, = self.truth["videos"]
        rows, columns = self.data["size"]
        height = self.data["height"]
        self.assertEqual((columns * height // rows, height), (video["width"], video["height"]))
        self.assertEqual((self.data["frames"], RATE), (video["length"], video["fps"]))
        names = [category["name"] for category in self.truth["categories"]]
        self.assertEqual(self.data["classes"], names)
        self.assertEqual([thing["class"] for thing in self.data["things"]],
                         [names[entry["category_id"]] for entry in self.truth["annotations"]])

    def test_objects_are_large_and_some_leave_and_return_before_they_are_forgotten(self):
        returned = []
        for entry in self.truth["annotations"]:
            heights = [box[3] for box in entry["bboxes"] if box]
            self.assertGreaterEqual(np.median(heights), 60)
            self.assertGreater(len(heights), self.data["frames"] // 3)
            seen = np.flatnonzero([area is not None for area in entry["areas"]])
            returned.append(any(5 < gap <= LOST_TIMEOUT for gap in np.diff(seen)))
        self.assertGreaterEqual(sum(returned), 2)

    def test_the_truth_is_what_the_outlines_draw(self):
        """Only the fire truck, behind all others, takes its shape from its photograph."""
        street = Street(self.data, stand_ins(self.data), self.data["height"])
        for t in (0, 120, 232, 305):
            _, ids = street.frame(t)
            for number, entry in enumerate(self.truth["annotations"], 1):
                if "outline" in self.data["things"][number - 1]:
                    shown = entry["segmentations"][t]
                    drawn = ids == number
                    told = np.zeros_like(drawn) if shown is None else decode(shown)
                    differing = int((drawn != told).sum())
                    self.assertLessEqual(differing, 4, f"object {number} in frame {t}")

    def test_the_truth_is_what_the_photographs_draw(self):
        try:
            street = Street.load()
        except PhotographError as error:
            self.skipTest(str(error))
        _, ids = street.frame(180)
        for number, entry in enumerate(self.truth["annotations"], 1):
            if entry["segmentations"][180] is not None:
                told = entry["segmentations"][180]["counts"]
                self.assertEqual(told, run_lengths(ids == number))


if __name__ == "__main__":
    unittest.main()
