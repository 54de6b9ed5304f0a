"""Graphs in fewer bits: rounding, what is rounded, what the files hold."""
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
from onnx import TensorProto, helper, numpy_helper, shape_inference
from tiny import TINY_R50, TINY_SWIN

from dvis.export import calibrate
from dvis.export.graphs import export, write_folder
from dvis.export.modules import graphs
from dvis.export.interpreter import Interpreter
from dvis.export.manifest import own_model
from dvis.export.quantise import Plan, activation_scale, best_range, half, int8, weight_values
from dvis.networks.input import InputRule
from dvis.networks.model import Dvis, build


def network(seed: int = 0) -> onnx.ModelProto:
    """A residual block with pooling, then a norm, a bias and a projection: image [1,3,8,8] ->
    answer [1,16,5], features [1,6,4,4]."""
    random = np.random.default_rng(seed)

    def weight(name, *shape):
        return numpy_helper.from_array((random.standard_normal(shape)
                                        / np.sqrt(np.prod(shape[1:]))).astype(np.float32), name)

    constants = [weight("w0", 3, 3, 1, 1), weight("w1", 6, 3, 3, 3), weight("b1", 6),
                 weight("w2", 6, 6, 3, 3), weight("b2", 6), weight("w3", 6, 6, 1, 1),
                 weight("w4", 6, 5), weight("b4", 5), weight("w5", 6, 6, 1, 1),
                 numpy_helper.from_array(np.int64([1, 6, 16]), "flat"),
                 numpy_helper.from_array(np.float32(1e-5), "epsilon")]
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["c0"], name="/image/Conv"),
        helper.make_node("Conv", ["c0", "w1", "b1"], ["c1"], name="/stem/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], name="/block/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["p1", "c2"], ["sum"]), helper.make_node("Relu", ["sum"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], name="/next/Conv"),
        helper.make_node("Conv", ["c3", "w5"], ["features"], name="/features/Conv"),
        helper.make_node("Reshape", ["c3", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["tokens"], ["mean"], axes=[-1]),
        helper.make_node("Sub", ["tokens", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["squared"]),
        helper.make_node("ReduceMean", ["squared"], ["variance"], axes=[-1]),
        helper.make_node("Add", ["variance", "epsilon"], ["safe"]),
        helper.make_node("Sqrt", ["safe"], ["deviation"]),
        helper.make_node("Div", ["centred", "deviation"], ["normal"]),
        helper.make_node("MatMul", ["normal", "w4"], ["product"], name="/head/MatMul"),
        helper.make_node("Add", ["product", "b4"], ["answer"]),
    ]
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
              for name, shape in (("image", [1, 3, 8, 8]), ("answer", [1, 16, 5]),
                                  ("features", [1, 6, 4, 4]))}
    graph = helper.make_graph(nodes, "tiny", [values["image"]],
                              [values["answer"], values["features"]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def observed(model, plan, runs: int = 20):
    observer = calibrate.Observer(set(plan.points))
    interpreter = Interpreter(model)
    for seed in range(runs):
        interpreter.run({"image": torch.randn(1, 3, 8, 8,
                                              generator=torch.Generator().manual_seed(seed))},
                        observer)
    return observer


class Rounding(unittest.TestCase):
    def test_activations_are_off_by_half_a_step_and_zero_is_exact(self):
        values = np.float32(np.random.default_rng(1).uniform(-1.3, 4.1, 1000))
        for low, high in ((-1.3, 4.1), (0.0, 4.1), (-1.3, 0.0), (0.5, 4.1)):
            scale, zero = activation_scale(low, high)
            self.assertIn(zero, range(256))
            rounded = (np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale
            inside = (values >= min(low, 0)) & (values <= max(high, 0))
            # At the ends the zero point's own rounding takes up to another half step.
            self.assertLessEqual(np.abs(rounded - values)[inside].max(), scale * 1.001)
            self.assertLessEqual(np.median(np.abs(rounded - values)[inside]), scale / 2)

    def test_a_tensor_of_zeros_has_a_step(self):
        self.assertEqual((1.0, 0), activation_scale(0.0, 0.0))

    def test_every_output_channel_of_a_weight_has_its_own_step(self):
        weight = np.float32(np.random.default_rng(2).standard_normal((4, 7, 3, 3))) * np.float32(
            [1, 0.01, 100, 0]).reshape(4, 1, 1, 1)
        values, scale = weight_values(weight, 0)
        np.testing.assert_allclose(scale[:3], np.abs(weight).max((1, 2, 3))[:3] / 127, rtol=1e-6)
        self.assertEqual(np.int8, values.dtype)
        self.assertEqual(127, np.abs(values[:3].astype(int)).max((1, 2, 3)).min())
        self.assertTrue((np.abs(values * scale.reshape(4, 1, 1, 1) - weight)
                         <= scale.reshape(4, 1, 1, 1) * 0.5001).all())
        self.assertFalse(values[3].any())
        self.assertEqual((3,), weight_values(weight[:, :, 0, 0].reshape(-1, 7)[:, :3], 1)[1].shape)

    def test_a_range_gives_up_an_outlier_and_keeps_what_is_evenly_spread(self):
        random = np.random.default_rng(3)
        spread = np.float32(random.uniform(-2, 6, 20_000))
        low, high = best_range(spread, float(spread.min()), float(spread.max()))
        self.assertLess(low, -1.8)
        self.assertGreater(high, 5.6)
        outlier = np.append(np.float32(random.uniform(-1, 1, 400_000)), np.float32(3))
        self.assertLess(best_range(outlier, -1.0, 3.0)[1], 2)


class EightBits(unittest.TestCase):
    def setUp(self):
        self.model = network()
        self.plan = Plan(self.model)
        self.observer = observed(self.model, self.plan)

    def test_answers_stay_close(self):
        image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(99))
        expected = Interpreter(self.model).run({"image": image})
        found = Interpreter(int8(self.plan, self.observer.ranges())).run({"image": image})
        for name, value in expected.items():
            error = (found[name] - value).abs().mean() / value.abs().mean()
            self.assertLess(float(error), 0.06, name)
            self.assertGreater(float(error), 1e-4, name)  # it is rounded indeed

    def test_inputs_and_outputs_are_what_they_were(self):
        result = int8(self.plan, self.observer.ranges())
        self.assertEqual(self.model.graph.input, result.graph.input)
        self.assertEqual(self.model.graph.output, result.graph.output)
        shape_inference.infer_shapes(result, check_type=True, strict_mode=True)

    def test_weights_are_stored_in_eight_bits_only(self):
        stored = {tensor.name: tensor.data_type
                  for tensor in int8(self.plan, self.observer.ranges()).graph.initializer}
        for name, kind in (("w1.q", TensorProto.INT8), ("w4.q", TensorProto.INT8),
                           ("c1.bias", TensorProto.INT32), ("w5", TensorProto.FLOAT),
                           ("w0", TensorProto.FLOAT), ("b4", TensorProto.FLOAT)):
            self.assertEqual(kind, stored[name], name)
        self.assertFalse({"w1", "b1", "w2", "b2", "w3", "w4", "w5.q", "w0.q"} & set(stored))

    def test_between_convolutions_nothing_is_float(self):
        result = int8(self.plan, self.observer.ranges())
        reads = {node.output[0]: list(node.input) for node in result.graph.node}
        # The pair of rounding nodes comes after the Relu.
        self.assertEqual(["c1"], reads["r1"])
        self.assertEqual(["r1.dq"], reads["p1"])
        self.assertEqual(["p1.dq", "c2.dq"], reads["sum"])
        self.assertEqual("c3.dq", reads["rows"][0])
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in result.graph.initializer}
        # Pooling changes no value, so it needs no other steps.
        self.assertEqual(values["r1.scale"], values["p1.scale"])

    def test_what_is_to_be_kept_stays_float(self):
        plan = Plan(self.model, "^/stem/|head")
        self.assertEqual({"/block/Conv", "/next/Conv"}, {node.name for node in plan.products})
        kept = {node.name: node
                for node in int8(plan, observed(self.model, plan).ranges()).graph.node}
        self.assertEqual(["c0", "w1", "b1"], list(kept["/stem/Conv"].input))

    def test_a_tensor_that_calibration_did_not_see_is_named(self):
        with self.assertRaisesRegex(ValueError, "never reached the tensor 'c0'"):
            calibrate.Observer({"c0"}).ranges()


class Half(unittest.TestCase):
    def test_products_are_half_and_the_norm_is_not(self):
        model = network()
        result = half(model, {})
        self.assertEqual(model.graph.input, result.graph.input)
        self.assertEqual(model.graph.output, result.graph.output)
        types = {value.name: value.type.tensor_type.elem_type
                 for value in shape_inference.infer_shapes(result, check_type=True,
                                                           strict_mode=True).graph.value_info}
        stored = {tensor.name: tensor.data_type for tensor in result.graph.initializer}
        self.assertEqual({TensorProto.FLOAT16},
                         {stored[f"w{index}.fp16"] for index in (0, 1, 2, 3, 4, 5)})
        self.assertEqual({TensorProto.FLOAT16},
                         {types[name] for name in ("c1.fp16", "r1.fp16", "p1.fp16", "sum.fp16",
                                                   "tokens.fp16", "product.fp16")})
        self.assertEqual({TensorProto.FLOAT},
                         {types[name] for name in ("mean", "centred", "squared", "safe", "normal")})
        self.assertEqual(TensorProto.FLOAT, stored["epsilon"])

    def test_answers_stay_close(self):
        model = network()
        image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(5))
        expected = Interpreter(model).run({"image": image})
        found = Interpreter(half(model, {})).run({"image": image})
        for name, value in expected.items():
            self.assertEqual(torch.float32, found[name].dtype)
            torch.testing.assert_close(found[name], value, rtol=1e-2, atol=5e-3)
            self.assertFalse(torch.equal(found[name], value), name)

    def test_a_product_that_might_overflow_stays_float(self):
        result = half(network(), {"c2": 30_000.0})
        self.assertIn(["p1", "w2", "b2"], [list(node.input) for node in result.graph.node])
        shape_inference.infer_shapes(result, check_type=True, strict_mode=True)


class Folder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(0)
        cls.temporary = tempfile.TemporaryDirectory()
        cls.path = Path(cls.temporary.name)
        cls.model = build().eval()
        export(cls.model, cls.path, "9.9.9",
               {"precision": {"int8": {"loss": {"mask_iou": 0.5}}}, "ap": 1})
        cls.images = [np.random.default_rng(seed).integers(0, 256, (40, 64, 3), np.uint8)
                        for seed in range(3)]
        cls.before = {name: (cls.path / f"{name}.onnx").read_bytes() for name in graphs(cls.model)}
        cls.written = calibrate.quantise(cls.path, ["int8", "fp16"], cls.images, "noise",
                                         ["segmenter", "refiner"])
        cls.manifest = json.loads((cls.path / "manifest.json").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_the_interpreter_gives_pytorchs_answers(self):
        raw = (self.path / "reference.bin").read_bytes()
        tensors = {}
        for entry in json.loads((self.path / "reference.json").read_text())["tensors"]:
            value = np.frombuffer(raw, "<f4", int(np.prod(entry["shape"])),
                                  entry["offset"]).reshape(entry["shape"]).copy()
            tensors[entry["graph"], entry["role"], entry["name"]] = torch.from_numpy(value)
        for name in graphs(self.model):
            interpreter = Interpreter(onnx.load(str(self.path / f"{name}.onnx")))
            for output, value in interpreter.run({i: tensors[name, "input", i]
                                                  for i in interpreter.inputs}).items():
                torch.testing.assert_close(value, tensors[name, "output", output], rtol=1e-3,
                                           atol=1e-3)

    def test_the_manifest_names_the_new_files_and_keeps_the_old(self):
        files = self.manifest["files"]
        self.assertEqual({"segmenter": {"fp32", "int8", "fp16"}, "tracker": {"fp32", "fp16"},
                          "matcher": {"fp32"}, "frame_forward": {"fp32", "fp16"},
                          "refiner": {"fp32", "int8", "fp16"}, "refiner_attention": {"fp32"},
                          "refiner_layer": {"fp32"}, "refiner_heads": {"fp32"}},
                         {name: set(entry) for name, entry in files.items()})
        for entry in files.values():
            for file in entry.values():
                content = (self.path / file["path"]).read_bytes()
                self.assertEqual(file["sha256"], hashlib.sha256(content).hexdigest())
        self.assertEqual(self.before,
                         {name: (self.path / f"{name}.onnx").read_bytes() for name in self.before})
        self.assertEqual(6, len(self.written))

    def test_figures_of_another_file_are_gone(self):
        self.assertEqual({"calibration": {"frames": 3, "from": "noise"}},
                         self.manifest["quality"]["precision"]["int8"])
        self.assertEqual(1, self.manifest["quality"]["ap"])

    def test_names_and_dimensions_are_those_of_fp32(self):
        for path in self.written:
            whole = onnx.load(str(self.path / f"{path.name.split('.')[0]}.onnx"))
            other = onnx.load(str(path))
            self.assertEqual(whole.graph.input, other.graph.input, path.name)
            self.assertEqual(whole.graph.output, other.graph.output, path.name)

    def test_the_decoder_of_the_queries_stays_float(self):
        nodes = onnx.load(str(self.path / "segmenter.int8.onnx")).graph.node
        rounded = {name for node in nodes if node.op_type == "DequantizeLinear"
                   for name in node.output}
        products = {node.name: node.input[1] in rounded
                    for node in nodes if node.op_type in ("Conv", "MatMul")}
        self.assertFalse(any(value for name, value in products.items() if "/transformer_" in name
                             or "_embed" in name))
        self.assertTrue(all(value for name, value in products.items() if "/backbone/" in name
                            and "/backbone/conv1" not in name))

    def test_the_files_are_smaller(self):
        size = {path.name: path.stat().st_size for path in self.path.glob("*.onnx")}
        # The fp32 graph holds float16 values; of the int8 graph the decoder of the queries stays
        # float.
        self.assertLess(size["segmenter.int8.onnx"], 0.7 * size["segmenter.onnx"])
        self.assertLess(size["segmenter.fp16.onnx"], 1.05 * size["segmenter.onnx"])

    def test_eight_bits_say_nearly_the_same(self):
        image = InputRule.read(self.manifest["input"]).fit(self.images[0])
        graphs = [Interpreter(onnx.load(str(self.path / f"segmenter{kind}.onnx")))
                  for kind in ("", ".int8")]
        whole, other = (graph.run({"image": image}) for graph in graphs)
        cosine = torch.nn.functional.cosine_similarity(whole["mask_features"].flatten(1),
                                                       other["mask_features"].flatten(1))
        self.assertGreater(float(cosine), 0.98)


class OfficialArchitectures(unittest.TestCase):
    def test_both_are_understood_and_rounded(self):
        for config in (TINY_R50, TINY_SWIN):
            with self.subTest(config.name), tempfile.TemporaryDirectory() as folder:
                torch.manual_seed(1)
                path = Path(folder)
                model = Dvis(config).eval()
                write_folder(model, path, replace(own_model(build(), "1", {}, 20), shorter_side=64,
                                                  largest_side=96))
                frame = np.random.default_rng(4).integers(0, 256, (70, 96, 3), np.uint8)
                manifest = json.loads((path / "manifest.json").read_text())
                calibrate.quantise(path, ["int8", "fp16"], [frame], "noise", ["segmenter"])
                image = InputRule.read(manifest["input"]).fit(frame)
                with torch.no_grad():
                    features = model.segment(image)[1]
                for file, bound in (("segmenter.onnx", 1e-4), ("segmenter.fp16.onnx", 0.02),
                                    ("segmenter.int8.onnx", 0.2)):
                    found = Interpreter(onnx.load(str(path / file))).run({"image": image})[
                        "mask_features"]
                    self.assertLess(float((found - features).abs().mean() / features.abs().mean()),
                                    bound, file)


class Images(unittest.TestCase):
    def test_what_is_no_image_is_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "notes.txt"
            path.write_text("no video")
            with self.assertRaisesRegex(ValueError, "notes.txt"):
                calibrate.read([path], 4)
            (Path(folder) / "empty").mkdir()
            with self.assertRaisesRegex(ValueError, "no image and no video"):
                calibrate.read([Path(folder) / "empty"], 4)

    def test_rendered_scenes_are_different_images(self):
        images = calibrate.scenes(5)
        self.assertEqual(5, len({image.tobytes() for image in images}))


if __name__ == "__main__":
    unittest.main()
