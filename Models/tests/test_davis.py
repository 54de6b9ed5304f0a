import json
import shutil
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
from dvis.data.davis import write
from PIL import Image


@unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
class Davis(unittest.TestCase):
    def test_pictures_and_masks_become_a_video_and_its_truth(self):
        with tempfile.TemporaryDirectory() as place:
            data, out = Path(place) / "davis", Path(place) / "out"
            for kind in ("JPEGImages", "Annotations"):
                (data / kind / "cat").mkdir(parents=True)
            for frame in range(3):
                Image.new("RGB", (32, 24), (200, 80, 40 * frame)).save(data / "JPEGImages" / "cat" / f"{frame + 4:05d}.jpg")
                mask = np.zeros((24, 32), np.uint8)
                mask[4:8, 2:2 + 5 * frame] = 1 + frame   # several objects, one mask; none in the first frame
                Image.fromarray(mask).save(data / "Annotations" / "cat" / f"{frame + 4:05d}.png")
            self.assertEqual(["cat"], write(data, out))
            truth = json.loads((out / "cat.json").read_text())
            self.assertEqual((3, 32, 24), tuple(truth["videos"][0][key] for key in ("length", "width", "height")))
            self.assertEqual([None, 20, 40], truth["annotations"][0]["areas"])
            self.assertGreater((out / "cat.mkv").stat().st_size, 0)


if __name__ == "__main__":
    unittest.main()
