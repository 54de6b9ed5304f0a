import json
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
from PIL import Image

from dvis.data.dataset import group, occlusion, whole_areas, write
from dvis.data.drawn.scenes import make_scene


class DataSet(unittest.TestCase):
    def test_frames_and_truth_are_those_of_the_scenes(self):
        with tempfile.TemporaryDirectory() as place:
            write(Path(place), ["everyday", "heavy"], 2, 3, first_seed=5)
            truth = json.loads((Path(place) / "instances.json").read_text())
            self.assertEqual(["everyday-5", "heavy-5"],
                             [video["name"] for video in truth["videos"]])
            scene = make_scene("heavy", 5)
            image, ids = scene.frame(2)
            path = Path(place) / "images" / truth["videos"][1]["file_names"][2]
            np.testing.assert_array_equal(image, np.asarray(Image.open(path)))
            areas = sorted(int((ids == number).sum())
                           for number in range(1, len(scene.things) + 1) if (ids == number).any())
            self.assertEqual(areas, sorted(entry["areas"][2] for entry in truth["annotations"]
                                           if entry["video_id"] == 2 and entry["areas"][2]))

    def test_nothing_shows_more_of_a_thing_than_there_is(self):
        scene = make_scene("heavy", 7)
        for t in range(0, 40, 8):
            _, ids = scene.frame(t)
            for number, whole in enumerate(whole_areas(scene, t, *ids.shape), 1):
                self.assertLessEqual(int((ids == number).sum()), whole)

    def test_the_more_occluded_half_of_the_frames_rates_an_object(self):
        self.assertEqual(("light", 0.0), (group(occlusion(np.zeros(8))), occlusion(np.zeros(8))))
        self.assertEqual(0.25, occlusion(np.array([0, 0, 0.2, 0.2])))
        self.assertEqual(0.5, occlusion(np.array([0, 0, 0.2, 0.9])))
        self.assertEqual("medium", group(0.5))
        self.assertEqual("heavy", group(occlusion(np.array([0.1, 0.6, 0.9]))))


if __name__ == "__main__":
    unittest.main()
