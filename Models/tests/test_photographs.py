import json
import tempfile
import unittest
from pathlib import Path

import context
import numpy as np
from photograph_set import SetWriter, rectangle, street
from PIL import Image

from dvis.data.photos.photographs import IGNORE, Photographs
from dvis.data.photos.sprites import Similarity, cut
from dvis.networks.config import FINE_OF_COCO, REAL_CLASSES, coarse_class

REAL = context.MODELS.parent.parent / "shared/data/train"
PERSON, CAR, ANIMAL = (REAL_CLASSES.index(name) for name in ("person", "car", "animal"))


class InFolder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)


class Classes(unittest.TestCase):
    def test_names_lead_from_coco_to_fine_and_coarse(self):
        self.assertEqual(["car", "vehicle", "animal", "person"],
                         [FINE_OF_COCO[name] for name in ("car", "boat", "zebra", "person")])
        self.assertEqual(["vehicle", "vehicle", "animal", "person", None],
                         [coarse_class(name)
                          for name in ("bus", "train", "animal", "person", "chair")])
        self.assertTrue(set(FINE_OF_COCO.values()) <= set(REAL_CLASSES))


class Loading(InFolder):
    def test_one_part_is_read_and_the_other_may_even_be_missing(self):
        photos = SetWriter(self.folder / "a")
        photos.photograph([("person", 40, 60, 100, 190)], "train")
        photos.photograph([("car", 40, 60, 100, 190)], "val")
        photos.write()
        (self.folder / "a/images/2.png").unlink()
        loaded = Photographs.load([self.folder / "a"], "train")
        self.assertEqual(["images/1.png"], [photograph.file_name for photograph in loaded.items])
        with self.assertRaisesRegex(FileNotFoundError, "2.png' is missing"):
            Photographs.load([self.folder / "a"], "val")

    def test_a_folder_of_sets_is_all_of_them(self):
        street(self.folder / "sets/a")
        street(self.folder / "sets/b")
        self.assertEqual(8, len(Photographs.load([self.folder / "sets"], "train").items))
        self.assertEqual(8, len(Photographs.load([self.folder / "sets/a", self.folder / "sets/b"],
                                                 "train").items))

    def test_instance_maps_number_objects_and_ignore_crowds(self):
        photos = SetWriter(self.folder / "a")
        number = photos.photograph([("dog", 200, 20, 240, 40), ("person", 40, 60, 100, 190),
                                    ("potted plant", 0, 0, 20, 20)])
        photos.crowd(number, "person", 250, 100, 300, 200)
        photos.photograph([("car", 10, 10, 90, 90)])
        photograph = Photographs.load([photos.write()], "train").items[0]
        self.assertEqual([PERSON, ANIMAL], [instance.label for instance in photograph.objects()])
        for scale in (1, 2):
            ids = photograph.ids(scale)
            self.assertEqual((240 * scale, 320 * scale), ids.shape)
            self.assertTrue((ids[60 * scale:190 * scale, 40 * scale:100 * scale] == 1).all())
            self.assertEqual([60 * 130 * scale ** 2, 40 * 20 * scale ** 2, 50 * 100 * scale ** 2],
                             [(ids == n).sum() for n in (1, 2, IGNORE)])

    def test_only_whole_objects_are_cut_out(self):
        photos = SetWriter(self.folder / "a")
        photos.photograph([("person", 40, 60, 100, 190), ("person", 0, 60, 35, 190),
                           ("person", 200, 20, 235, 100), ("car", 240, 20, 310, 50)])
        # The person is hidden by a third.
        photos.photograph([("person", 40, 60, 100, 190), ("car", 70, 100, 240, 180)])
        loaded = Photographs.load([photos.write()], "train")
        self.assertEqual({PERSON: 1, CAR: 2},
                         {label: len(pairs) for label, pairs in loaded.cutouts.items()})

    def test_a_set_with_annotations_of_one_class_only_is_no_backdrop(self):
        people = SetWriter(self.folder / "people")
        people.photograph([("person", 40, 60, 100, 190)])
        people.write()
        alone = Photographs.load([self.folder / "people"], "train")
        self.assertEqual({"person"}, alone.items[0].annotated)
        self.assertEqual(1, len(alone.backdrops))
        both = Photographs.load([self.folder / "people", street(self.folder / "street")], "train")
        self.assertEqual(4, len(both.backdrops))
        self.assertEqual(2, len(both.cutouts[PERSON]))


class Errors(InFolder):
    def refuses(self, kind, why, change):
        photos = SetWriter(self.folder / str(len(list(self.folder.iterdir()))))
        photos.photograph([("person", 40, 60, 100, 190)])
        change(photos.file)
        with self.assertRaisesRegex(kind, why):
            Photographs.load([photos.write()], "train")

    def test_every_fault_of_a_set_has_a_sentence(self):
        entry = lambda file: file["annotations"][0]
        self.refuses(ValueError, "no annotations", lambda file: file["annotations"].clear())
        self.refuses(ValueError, "annotation 1: a polygon needs an even count",
                     lambda file: entry(file).update(segmentation=[[1, 2, 3]]))
        self.refuses(ValueError, "annotation 1: run lengths of size",
                     lambda file: entry(file).update(segmentation={"size": [1, 1], "counts": [1]}))
        self.refuses(ValueError, "annotation 1: 99 is missing or unknown",
                     lambda file: entry(file).update(category_id=99))
        self.refuses(ValueError, "annotation 1: 'area' is missing",
                     lambda file: entry(file).pop("area"))
        self.refuses(ValueError, "not in COCO format: KeyError 'images'",
                     lambda file: file.pop("images"))
        self.refuses(ValueError, "its part is neither train nor val",
                     lambda file: file["images"][0].update(part="test"))
        self.refuses(ValueError, "no photographs of part 'train'",
                     lambda file: file["images"][0].update(part="val"))
        self.refuses(FileNotFoundError, "is missing",
                     lambda file: file["images"][0].update(file_name="gone.png"))

    def test_folders_that_are_no_sets_and_images_that_are_none(self):
        with self.assertRaisesRegex(FileNotFoundError, "has an instances.json"):
            Photographs.load([self.folder], "train")
        with self.assertRaisesRegex(ValueError, "not a part"):
            Photographs.load([self.folder], "test")
        folder = street(self.folder / "a")
        (folder / "instances.json").write_text("{")
        with self.assertRaisesRegex(ValueError, "not in COCO format"):
            Photographs.load([folder], "train")
        photograph = Photographs.load([street(self.folder / "b")], "train").items[0]
        photograph.path.write_bytes(b"no image")
        with self.assertRaisesRegex(ValueError, "not a readable image"):
            photograph.image()
        Image.new("RGB", (10, 10)).save(photograph.path)
        with self.assertRaisesRegex(ValueError, "10x10 pixels, annotated are 320x240"):
            photograph.image()


class Cutting(InFolder):
    def test_the_rim_is_soft_and_has_none_of_the_surroundings_colour(self):
        """A red object whose annotation is two pixels too large, on green."""
        photos = SetWriter(self.folder / "a")
        number = photos.photograph([("car", 200, 10, 260, 60)])
        image = np.full((240, 320, 3), (0, 220, 0), np.uint8)
        image[60:190, 40:100] = (220, 0, 0)
        Image.fromarray(image).save(self.folder / f"a/images/{number}.png")
        photos.annotation(number, "person", rectangle(39.5, 59.5, 100.5, 190.5),
                          [39.5, 59.5, 61, 131], 61 * 131)
        photograph = Photographs.load([photos.write()], "train").items[0]
        person = next(instance for instance in photograph.instances if instance.name == "person")
        sprite = cut(photograph, person, photograph.image())
        pixels = np.asarray(sprite.image).astype(int)
        rim = (pixels[..., 3] > 0) & (pixels[..., 3] < 255)
        self.assertTrue(0 < rim[60].sum() <= 6)
        self.assertTrue((pixels[..., 0] >= pixels[..., 1]).all())
        canvas = np.full((400, 400, 3), 90.0, np.float32)
        ids = np.zeros((400, 400), np.uint8)
        sprite.paint(canvas, ids, Similarity(0.8 * np.exp(0.3j), 150.5 + 80.25j), 7)
        self.assertLessEqual(canvas[..., 1].max(), 91)
        self.assertAlmostEqual(0.64 * 61 * 131, (ids == 7).sum(), delta=0.05 * 61 * 131)
        self.assertTrue((canvas[ids == 7][:, 0] > 100).all())

    def test_sprites_are_limited_and_small_when_drawn_from_afar(self):
        photos = SetWriter(self.folder / "a")
        photos.photograph([("person", 40, 20, 240, 620), ("car", 300, 20, 420, 100)],
                          size=(480, 640))
        photograph = Photographs.load([photos.write()], "train").items[0]
        sprite = cut(photograph, photograph.objects()[0], photograph.image())
        self.assertEqual(320, max(sprite.image.size))
        ids = np.zeros((60, 60), np.uint8)
        sprite.paint(np.zeros((60, 60, 3), np.float32), ids, Similarity(0.1, 5 + 5j), 1)
        self.assertAlmostEqual(0.01 * 100 * 300 * (320 / 606) ** 2 * 4, ids.sum(), delta=60)


@unittest.skipUnless(REAL.exists(), "needs ../shared/data/train")
class RealSets(unittest.TestCase):
    def test_masks_have_the_annotated_area(self):
        """Within 2 % where a pixel of the outline weighs little.

        Left out: crowds, whose areas were not measured again when the images shrank, and
        coco128-seg, where polygons that were joined to one have other areas than the masks."""
        for part in ("train", "val"):
            for photograph in Photographs.load([REAL / "coco-extra", REAL / "coco-people"],
                                               part).items:
                for instance in (one for one in photograph.instances if one.area > 4000
                                 and not one.crowd):
                    area = instance.mask(0, 0, photograph.width, photograph.height).sum()
                    self.assertAlmostEqual(1, area / instance.area, delta=0.02,
                                           msg=f"{photograph.file_name} {instance.name}")

    def test_the_parts_are_those_of_the_split(self):
        for name, train, val in (("coco128-seg", 103, 25), ("coco-extra", 211, 52),
                                 ("coco-people", 563, 140)):
            split = dict(line.split("\t")
                         for line in (REAL / name / "split.txt").read_text().splitlines())
            for part, count in (("train", train), ("val", val)):
                items = Photographs.load([REAL / name], part).items
                self.assertEqual(count, len(items))
                self.assertEqual({part}, {split[photograph.path.name] for photograph in items})
        whole = Photographs.load([REAL], "train")
        self.assertEqual((877, 314), (len(whole.items), len(whole.backdrops)))
        file = json.loads((REAL / "coco-extra/instances.json").read_text())
        self.assertEqual(file["categories"][0]["name"], whole.categories[1])


if __name__ == "__main__":
    unittest.main()
