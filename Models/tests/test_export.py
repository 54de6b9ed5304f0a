"""What `export` writes: names, dimensions, check sums, reference answers."""
import hashlib
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import context  # noqa: F401
import numpy as np
import onnx
import torch
from onnx import TensorProto

from dvis.checkpoints import weights
from dvis.evaluation.videos import run
from dvis.export.graphs import export, mask_margin, reference_inputs, rounded
from dvis.export.manifest import manifest, own_model
from dvis.export.modules import graphs
from dvis.networks.config import REAL_CLASSES, SHAPES_MODEL_CLASSES, SIZES
from dvis.networks.model import Dvis, build

EMBEDS = ["batch", 20, 96]
FRAMES = ["frames", 20, 96]
SOME = ["frames", "queries", 96]      # queries of some frames
# Graph -> dimensions of its inputs and of its outputs.
CONTRACT = {
    "segmenter": ({"image": ["batch", 3, "height", "width"]},
                  {"frame_embeds": EMBEDS,
                   "mask_features": ["batch", 48, "map_height", "map_width"],
                   "frame_logits": ["batch", 20, 10]}),
    "tracker": ({"frame_embeds": EMBEDS, "matched_embeds": EMBEDS, "reference": EMBEDS,
                 "is_first": ["batch"]},
                {"instance_embeds": EMBEDS, "reference_out": EMBEDS,
                 "logits": ["batch", 20, 10], "mask_embeds": ["batch", 20, 48]}),
    "frame_forward": ({"frame_embeds": FRAMES}, {"memory": FRAMES}),
    "refiner": ({"instance_embeds": FRAMES, "memory": FRAMES},
                {"logits": [20, 10], "mask_embeds": ["frames", 20, 48]}),
    "refiner_attention": ({"layer": [1], "embeds": SOME, "block": ["block", "queries", 96]},
                          {"mixed": SOME, "weight": ["frames", "queries", 4]}),
    "refiner_layer": ({"layer": [1], "embeds": SOME, "mixed": SOME, "memory": SOME},
                      {"refined": SOME}),
    "refiner_heads": ({"embeds": SOME},
                      {"logits": ["queries", 10], "weight": ["queries", 1],
                       "mask_embeds": ["frames", "queries", 48]}),
}


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(0)
        cls.model = build().eval()
        for module in cls.model.modules():   # as after training
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
        cls.rounded = rounded(cls.model)
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = Path(cls.folder.name)
        export(cls.model, cls.path, "9.9.9")
        cls.manifest = json.loads((cls.path / "manifest.json").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_graphs_have_the_contracts_names_and_dimensions(self):
        for name, (inputs, outputs) in CONTRACT.items():
            model = onnx.load(str(self.path / f"{name}.onnx"))
            onnx.checker.check_model(model)
            self.assertEqual(inputs, dimensions(model.graph.input), name)
            self.assertEqual(outputs, dimensions(model.graph.output), name)

    def test_the_manifest_names_every_file_with_its_check_sum(self):
        self.assertEqual(set(graphs(self.model)), set(self.manifest["files"]))
        for files in self.manifest["files"].values():
            content = (self.path / files["fp32"]["path"]).read_bytes()
            self.assertEqual(hashlib.sha256(content).hexdigest(), files["fp32"]["sha256"])
        self.assertEqual(list(SHAPES_MODEL_CLASSES),
                         [entry["name"] for entry in self.manifest["classes"]])
        self.assertEqual(len(SHAPES_MODEL_CLASSES),
                         len({entry["color"] for entry in self.manifest["classes"]}))

    def test_the_manifest_says_on_which_videos_the_model_was_trained(self):
        self.assertEqual(("dvis-shapes", "rendered"),
                         (self.manifest["name"], self.manifest["domain"]))
        about = own_model(Dvis(SIZES["street"], "segmenter"), "1.0.0", {}, 20)
        self.assertEqual(("dvis-street", "real"), (about.name, about.domain))
        self.assertEqual(list(REAL_CLASSES), [label.name for label in about.classes])
        with self.assertRaisesRegex(ValueError,
                                    "domain: found 'painted', expected one of real, rendered"):
            replace(about, domain="painted")

    def test_the_manifest_has_what_the_service_uses_by_default(self):
        model = Dvis(SIZES["street"], "segmenter")
        chosen = {"min_score": 0.2, "start_score": 0.3, "precision": "int8"}
        for service in (chosen, {}):
            written = manifest(model, own_model(model, "1.0.0", {}, 20, service), {})
            self.assertEqual(service, {name: written[name] for name in chosen if name in written})

    def test_reference_answers_are_the_models(self):
        raw = (self.path / "reference.bin").read_bytes()
        self.assertLess(len(raw), 500_000)
        values = {}
        for entry in json.loads((self.path / "reference.json").read_text())["tensors"]:
            count = int(np.prod(entry["shape"]))
            values[entry["graph"], entry["case"], entry["name"]] = torch.from_numpy(
                np.frombuffer(raw, "<f4", count, entry["offset"]).reshape(entry["shape"]).copy())
        with torch.no_grad():
            for case, size in ((1, (2, 3, 32, 64)), (2, (1, 3, 96, 32))):
                self.assertEqual(size, values["segmenter", case, "image"].shape)
                for name, value in zip(("frame_embeds", "mask_features", "frame_logits"),
                                       self.rounded.segment(values["segmenter", case, "image"])):
                    torch.testing.assert_close(values["segmenter", case, name], value, rtol=1e-3,
                                               atol=1e-3)
            names = ("frame_embeds", "matched_embeds", "reference", "is_first")
            step = self.rounded.tracker(*(values["tracker", 1, name] for name in names))
        torch.testing.assert_close(values["tracker", 1, "reference_out"], step.reference, rtol=1e-3,
                                   atol=1e-3)

    def test_rounding_hardly_changes_what_the_model_computes(self):
        image = torch.randn(1, 3, 64, 96)
        with torch.no_grad():
            for name, one, other in zip(("embeds", "features"), self.model.segment(image),
                                        self.rounded.segment(image)):
                similar = torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), 0)
                self.assertGreater(float(similar), 0.9999, name)

    def test_graphs_hold_their_weights_as_float16_with_casts(self):
        for name in graphs(self.model):
            graph = onnx.load(str(self.path / f"{name}.onnx")).graph
            sizes = {kind: sum(len(tensor.raw_data)
                               for tensor in graph.initializer if tensor.data_type == kind)
                     for kind in (TensorProto.FLOAT, TensorProto.FLOAT16)}
            halves = {tensor.name
                      for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
            casts = {node.input[0]: node.output[0]
                     for node in graph.node if node.op_type == "Cast" and node.input[0] in halves}
            self.assertEqual(halves, set(casts), name)
            self.assertEqual(halves, {f"{output}.half" for output in casts.values()}, name)
            self.assertLess(sizes[TensorProto.FLOAT], 0.1 * sizes[TensorProto.FLOAT16], name)

    def test_the_weights_bring_the_model_back(self):
        again = build().eval()
        self.assertEqual({"size": "small", "version": "9.9.9"},
                         weights.load(again, self.path / weights.NAME))
        image = torch.randn(1, 3, 32, 64)
        with torch.no_grad():
            features = [model.segment(image)[1].flatten() for model in (self.model, again)]
            similar = torch.nn.functional.cosine_similarity(*features, 0)
        self.assertGreater(float(similar), 0.9999)

    def test_the_reference_image_stays_away_from_the_threshold(self):
        chosen = mask_margin(self.model, reference_inputs(self.model)["segmenter"][0][0])
        torch.manual_seed(1)
        self.assertGreater(chosen, np.median([mask_margin(self.model, torch.randn(2, 3, 32, 64))
                                              for _ in range(9)]))
        self.assertEqual(0.0, mask_margin(build().eval().apply(flatten), torch.randn(1, 3, 32, 64)))

    @torch.no_grad()
    def test_a_video_goes_through_all_three_columns(self):
        images = torch.zeros(3, 64, 96, 3, dtype=torch.uint8)
        for scores, video_scores, masks in run(self.model, images).values():
            self.assertEqual(((3, 20, 9), (20, 9), (3, 20, 16, 24)),
                             (scores.shape, video_scores.shape, tuple(masks.shape)))


def flatten(module: torch.nn.Module) -> None:
    """All weights zero: every mask logit lies on the threshold."""
    for parameter in module.parameters(recurse=False):
        parameter.data.zero_()


def dimensions(values) -> dict[str, list]:
    """Declared inputs or outputs of a graph: name -> dimensions, the dynamic ones by name."""
    return {value.name: [side.dim_param or side.dim_value
                         for side in value.type.tensor_type.shape.dim] for value in values}


if __name__ == "__main__":
    unittest.main()
