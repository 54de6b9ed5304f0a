"""Folders of GenVIS and VITA: the graphs against PyTorch at other sizes than they were traced with,
and what the manifest says."""
import json
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
import onnx
import torch
from test_export import dimensions
from tiny import ABOUT, TINY_R50

from dvis.export.graphs import write_folder
from dvis.export.interpreter import Interpreter
from dvis.networks.genvis import follow, read
from dvis.networks.model import Dvis
from dvis.networks.vita import folded, with_ones

EXACT = 1e-5


class Folder(unittest.TestCase):
    """A folder of the tiny R50 with random weights."""

    mode = "genvis"

    @classmethod
    def setUpClass(cls):
        if cls is Folder:
            raise unittest.SkipTest("the base of the classes below")
        torch.manual_seed(3)
        cls.model = Dvis(TINY_R50, cls.mode).eval()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = Path(cls.folder.name)
        write_folder(cls.model, cls.path, ABOUT)
        cls.manifest = json.loads((cls.path / "manifest.json").read_text())

    def run_graph(self, name: str, *inputs: torch.Tensor) -> list[torch.Tensor]:
        interpreter = Interpreter(onnx.load(str(self.path / f"{name}.onnx")))
        answers = interpreter.run(dict(zip(interpreter.inputs, inputs)))
        return [answers[output] for output in interpreter.outputs]

    def assert_near(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for one, other in zip(found, expected):
            torch.testing.assert_close(one, other, rtol=EXACT, atol=EXACT)

    def assert_reference_is_there(self):
        """reference.json has the inputs and outputs of every graph of the folder."""
        tensors = json.loads((self.path / "reference.json").read_text())["tensors"]
        self.assertEqual(set(self.manifest["files"]), {entry["graph"] for entry in tensors})
        size = sum(4 * int(np.prod(entry["shape"])) for entry in tensors)
        self.assertEqual(size, (self.path / "reference.bin").stat().st_size)


class GenVisFolder(Folder):
    def test_the_manifest_has_the_methods_entries(self):
        wanted = {"method": "genvis", "frame_queries": 5, "queries": 4, "clip": 3,
                  "memory": {"clips": 128, "policy": "merge"}, "first_query": "first_query.bin",
                  "scoring": "max_softmax_mask_quality", "mask_channels": 32}
        self.assertEqual(wanted, {name: self.manifest[name] for name in wanted})
        self.assertNotIn("refiner", self.manifest)
        self.assertEqual(["segmenter", "clip"], list(self.manifest["files"]))
        self.assert_reference_is_there()

    def test_the_graph_has_the_contracts_names_and_dimensions(self):
        graph = onnx.load(str(self.path / "clip.onnx")).graph
        state = ["batch", 4, 32]
        self.assertEqual({"frame_embeds": ["batch", "frames", 5, 32], "query": state},
                         dimensions(graph.input))
        self.assertEqual({"instance_embeds": state, "reference_out": state,
                          "logits": ["batch", 4, 4], "mask_embeds": ["batch", 4, 32],
                          "memory_key": state, "memory_value": state, "read_key": state,
                          "next_query": state}, dimensions(graph.output))

    @torch.no_grad()
    def test_a_video_through_the_graph_and_the_memory_outside(self):
        """Seven clips of 3 frames, the last of 2, of two cameras, from the folder's first query."""
        frames = torch.randn(2, 20, 5, 32)
        steps = follow(self.model.vita_module, frames, 3)
        raw = np.frombuffer((self.path / "first_query.bin").read_bytes(), "<f4").reshape(4, 32)
        query = torch.from_numpy(raw.copy()).expand(2, -1, -1)
        keys, values = [], []
        for clip, step in zip(frames.split(3, 1), steps):
            found = self.run_graph("clip", clip, query)
            self.assert_near(found, list(step))
            *_, key, value, read_key, following = found
            keys.append(key)
            values.append(value)
            query = following + read(read_key, torch.stack(keys, 1), torch.stack(values, 1))

    @torch.no_grad()
    def test_the_graph_takes_any_number_of_streams_and_frames(self):
        for batch, count in ((1, 1), (1, 4), (3, 2)):
            inputs = torch.randn(batch, count, 5, 32), torch.randn(batch, 4, 32)
            self.assert_near(self.run_graph("clip", *inputs), list(self.model.vita_module(*inputs)))

    @torch.no_grad()
    def test_mask_features_are_those_of_clips(self):
        image = torch.randn(1, 3, 64, 96)
        self.assert_near(self.run_graph("segmenter", image), list(self.model.segment(image)))
        frame = self.model.segment(image, features=self.model.sem_seg_head.pixel_decoder
                                   .mask_features)[1]
        self.assertGreater(float((frame - self.model.segment(image)[1]).abs().max()), 0.1)


class VitaFolder(Folder):
    mode = "vita"

    def test_the_manifest_has_the_methods_entries(self):
        wanted = {"method": "vita", "front": "minvis", "frame_queries": 5, "queries": 4,
                  "window": 6, "encoder_layers": 2, "scoring": "mask_quality",
                  "mask_channels": 33, "refiner": {"kind": "vita", "max_window": 24}}
        self.assertEqual(wanted, {name: self.manifest[name] for name in wanted})
        self.assertEqual(["segmenter", "matcher", "vita"], list(self.manifest["files"]))
        self.assert_reference_is_there()

    def test_the_graph_has_the_contracts_names_and_dimensions(self):
        graph = onnx.load(str(self.path / "vita.onnx")).graph
        frames = ["frames", 5, 32]
        self.assertEqual({"frame_embeds": frames}, dimensions(graph.input))
        self.assertEqual({"logits": [4, 4], "mask_embeds": [4, 33], "frame_similarity": frames,
                          "query_similarity": [4, 32]}, dimensions(graph.output))

    @torch.no_grad()
    def test_the_graph_takes_any_number_of_frames(self):
        """Also such that windows are not filled, on both sides of their ends."""
        network = self.model.vita_module
        head = folded(network.mask_embed, network.vita_mask_features)
        for count in (1, 2, 3, 4, 6, 7, 12, 14, 25):
            frames = torch.randn(count, 5, 32)
            logits, mask_embeds, *similar = self.run_graph("vita", frames)
            expected, _, *others = network(frames)
            self.assert_near([logits, *similar], [expected, *others])
            video = network.heads(network.decode(network.query_feat.weight[None],
                                                 network.encode(frames[None]))[-1])
            self.assert_near([mask_embeds], [head(video.embeds)[0]])

    @torch.no_grad()
    def test_one_map_serves_the_masks_of_frames_and_of_clips(self):
        image = torch.randn(1, 3, 64, 96)
        embeds, shared, _ = self.run_graph("segmenter", image)
        self.assertEqual((1, 33, 16, 24), tuple(shared.shape))
        head, network = self.model.sem_seg_head, self.model.vita_module
        _, features, fine = head.pixel_decoder(self.model.backbone(image))
        _, _, _, mask_embeds = self.run_graph("matcher", embeds, embeds, embeds, torch.ones(1))
        self.assert_near([mask_embeds[0] @ shared[0].flatten(1)],
                         [head.predictor.mask_embed(embeds)[0] @ features[0].flatten(1)])
        _, mask_embeds, _, _ = self.run_graph("vita", embeds)
        self.assert_near([mask_embeds @ shared[0].flatten(1)],
                         [network(embeds)[1] @ network.vita_mask_features(fine)[0].flatten(1)])


class VitaBehindDvis(Folder):
    mode = "vita-online"

    @torch.no_grad()
    def test_the_trackers_masks_fit_the_shared_map(self):
        self.assertEqual(("dvis", ["segmenter", "tracker", "vita"]),
                         (self.manifest["front"], list(self.manifest["files"])))
        image = torch.randn(2, 3, 64, 96)
        embeds, shared, _ = self.run_graph("segmenter", image)
        inputs = embeds, torch.randn(2, 5, 32), torch.randn(2, 5, 32), torch.tensor([1.0, 0.0])
        step = self.model.tracker(*inputs)
        *others, mask_embeds = self.run_graph("tracker", *inputs)
        self.assert_near(others, [step.embeds, step.reference, step.logits])
        fine = self.model.segment(image, features=lambda below: below)[1]
        self.assert_near([shared], [with_ones(fine)])
        features = self.model.sem_seg_head.pixel_decoder.mask_features(fine)
        self.assert_near([mask_embeds @ shared.flatten(2)],
                         [step.mask_embeds @ features.flatten(2)])


if __name__ == "__main__":
    unittest.main()
