"""A model folder beside another one: links to equal graphs, weights that refer to equal parts."""
import hashlib
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import context  # noqa: F401
import torch
from test_weights import TINY

from dvis.checkpoints import weights
from dvis.export.graphs import export
from dvis.networks.model import Dvis
from dvis.training.video import start_from_segmenter

SMALL = replace(TINY, clip_queries=4)


class Sharing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        torch.manual_seed(5)
        self.base = Dvis(SMALL, "online").eval()
        export(self.base, self.root / "base", "1.0.0")
        # What a training starts from is in the file, as float16.
        weights.load(self.base, self.root / "base" / weights.NAME)

    def beside(self, mode: str, change=lambda model: None, name: str = "own") -> Path:
        model = Dvis(SMALL, mode).eval()
        model.load_state_dict(self.base.state_dict(), strict=False)
        start_from_segmenter(model)
        change(model)
        self.model = model
        export(model, self.root / name, "1.0.0", base=self.root / "base")
        return self.root / name

    def linked(self, folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir() if path.is_symlink()}

    def test_equal_graphs_are_links_with_their_digest(self):
        folder = self.beside("vita-online")
        self.assertEqual({"segmenter.onnx", "tracker.onnx"}, self.linked(folder))
        files = json.loads((folder / "manifest.json").read_text())["files"]
        self.assertEqual({"segmenter", "tracker", "vita"}, set(files))
        for name, file in files.items():
            path = folder / file["fp32"]["path"]
            self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), file["fp32"]["sha256"])
        self.assertEqual("../base/segmenter.onnx", str((folder / "segmenter.onnx").readlink()))

    def test_one_mask_map_serves_frames_and_clips_where_its_weights_are_the_segmenters(self):
        manifest = json.loads((self.beside("vita-online") / "manifest.json").read_text())
        self.assertEqual(SMALL.mask_channels, manifest["mask_channels"])

        def own_map(model):
            model.vita_module.vita_mask_features.weight.data += 0.1

        folder = self.beside("vita-online", own_map, "other")
        manifest = json.loads((folder / "manifest.json").read_text())
        self.assertGreater(manifest["mask_channels"], SMALL.mask_channels)
        self.assertEqual(set(), self.linked(folder))

    def test_a_graph_of_other_weights_is_a_file(self):
        def other_tracker(model):
            for value in model.tracker.parameters():
                value.data += 0.05 * torch.randn_like(value)

        self.assertEqual({"segmenter.onnx"}, self.linked(self.beside("vita-online", other_tracker)))

    def test_weights_have_the_own_parts_only_and_come_back_whole(self):
        folder = self.beside("genvis")
        path = folder / weights.NAME
        self.assertLess(path.stat().st_size,
                        0.7 * (self.root / "base" / weights.NAME).stat().st_size)
        again = Dvis(SMALL, "genvis")
        about = weights.load(again, path)
        self.assertEqual(("../base", "backbone sem_seg_head"), (about["base"], about["parts"]))
        for name, value in self.model.state_dict().items():
            torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-7,
                                       msg=name)

    def test_weights_whose_base_is_gone_are_refused(self):
        folder = self.beside("genvis")
        (self.root / "base" / weights.NAME).unlink()
        with self.assertRaisesRegex(weights.WeightsError, "base/weights.safetensors: No such file"):
            weights.read(folder / weights.NAME)


if __name__ == "__main__":
    unittest.main()
