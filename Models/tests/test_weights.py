"""Weights of a model folder: exact up to float16, and refused with a sentence where they do not
fit."""
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import context  # noqa: F401
import torch
from torch import nn

from dvis.checkpoints import weights
from dvis.networks.config import SIZES
from dvis.networks.model import Dvis

TINY = replace(SIZES["small"], queries=5, hidden=32, mask_channels=8, feedforward=48,
               backbone_widths=(8, 16, 16, 16), backbone_blocks=(1, 1, 1, 1))


class Weights(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "weights.safetensors"
        torch.manual_seed(3)

    def refused(self, words: str):
        return self.assertRaisesRegex(weights.WeightsError, words)

    def test_a_model_comes_back_with_its_statistics_and_metadata(self):
        model, again = Dvis(TINY), Dvis(TINY)
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
        model.backbone.stem["conv1"].norm.num_batches_tracked.fill_(70_000)
        weights.save(model, self.path, {"size": "tiny"})
        self.assertEqual(weights.load(again, self.path), {"size": "tiny"})
        for name, value in model.state_dict().items():
            torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-7,
                                       msg=name)

    def test_the_file_has_the_layout_of_safetensors(self):
        linear = nn.Linear(2, 1)
        linear.weight.data = torch.tensor([[0.5, -2.0]])
        linear.bias.data = torch.tensor([1.0])
        weights.save(linear, self.path, {})
        data = self.path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + length])
        self.assertEqual(header["weight"],
                         {"dtype": "F16", "shape": [1, 2], "data_offsets": [0, 4]})
        self.assertEqual(header["bias"], {"dtype": "F16", "shape": [1], "data_offsets": [4, 6]})
        self.assertEqual(data[8 + length:], bytes.fromhex("003800c0003c"))

    def test_weights_of_another_size_are_refused(self):
        weights.save(Dvis(TINY), self.path, {"size": "tiny"})
        with self.refused(
            r"weights of another model \(tiny\): '.*' has shape \[.*\], this model has \[.*\]"):
            weights.load(Dvis(replace(TINY, queries=6)), self.path)
        with self.refused("is only in the file"):
            weights.load(Dvis(TINY, "online"), self.path)

    def test_broken_files_are_refused(self):
        weights.save(nn.Linear(2, 1), self.path, {})
        whole = self.path.read_bytes()
        for name, data in {"empty": b"", "short": whole[:-3], "text": b"not weights at all",
                           "length": b"\xff" * 8 + whole[8:], "kind": whole.replace(b"F16", b"Q16"),
                           "offset": whole.replace(b"[4, 6]", b"[4, 9]")}.items():
            with self.subTest(name):
                self.path.write_bytes(data)
                with self.refused("not a safetensors file"):
                    weights.read(self.path)
        with self.refused("No such file"):
            weights.read(self.path.with_name("absent"))

    def test_values_beyond_float16_are_refused(self):
        linear = nn.Linear(2, 1)
        linear.weight.data[0, 0] = 1e5
        with self.refused("weight has values beyond float16"):
            weights.save(linear, self.path, {})
        self.assertFalse(self.path.exists())


if __name__ == "__main__":
    unittest.main()
