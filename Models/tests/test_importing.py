"""`import`: strict by name and shape, and what it writes."""
import hashlib
import json
import subprocess
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

import context  # noqa: F401
import onnx
import torch
from test_export import dimensions
from tiny import TINY_R50, TINY_SWIN

from dvis.checkpoints.checkpoint import CheckpointError
from dvis.checkpoints.official import (LOSS_WEIGHT, NAMES, UNKNOWN, chosen_mode,
                                       load_strictly, loss_weights, mode_of)
from dvis.export.importing import Request, read_classes, run
from dvis.networks import config
from dvis.networks.model import METHODS, Dvis

ARCHITECTURES = {"r50": TINY_R50, "swin-l": TINY_SWIN}


def checkpoint(arch: str = "r50", mode: str = "offline", **changes) -> dict[str, torch.Tensor]:
    """The state dict that the official code would save."""
    torch.manual_seed(0)
    settings = replace(ARCHITECTURES[arch], **changes)
    return {**Dvis(settings, mode).state_dict(),
            **{name: torch.ones(settings.classes + 1) for name in loss_weights(METHODS[mode])}}


class Strictness(unittest.TestCase):
    def refusal(self, tensors, arch: str = "r50", mode: str = "offline") -> str:
        with self.assertRaises(CheckpointError) as caught:
            load_strictly(Dvis(ARCHITECTURES[arch], mode), tensors, Path("x.pth"))
        return str(caught.exception)

    def test_every_mode_takes_its_own_checkpoint_and_its_every_value(self):
        for arch in ARCHITECTURES:
            for mode in NAMES:
                state = checkpoint(arch, mode)
                self.assertEqual(mode, mode_of(state))
                model = Dvis(ARCHITECTURES[arch], mode)
                load_strictly(model, state, Path("x.pth"))
                for name, value in model.state_dict().items():
                    torch.testing.assert_close(value, state[name], rtol=0, atol=0)

    def test_vita_and_genvis_differ_by_the_tensors_of_the_carried_query_and_memory(self):
        vita, genvis = checkpoint(mode="vita"), checkpoint(mode="genvis")
        self.assertEqual(set(), vita.keys() - genvis.keys())
        self.assertEqual(9, len(genvis.keys() - vita.keys()))
        message = self.refusal(vita, mode="genvis")
        self.assertIn("x.pth: the checkpoint does not fit r50, genvis, with 3 classes: missing: "
                      "vita_module.pre_query_embed_k.weight (32,32)", message)
        self.assertTrue(message.endswith("It is a checkpoint of VITA: give --method vita."),
                        message)
        message = self.refusal(genvis, mode="vita")
        self.assertIn("left over: vita_module.pre_query_embed_k.weight (32,32)", message)
        self.assertTrue(message.endswith("It is a checkpoint of GenVIS: give --method genvis."),
                        message)

    def test_single_tensors_of_genvis(self):
        state = checkpoint(mode="genvis")
        del state["vita_module.pre_memory_embed_k.weight"]
        state["vita_module.fq_pos.weight"] = torch.zeros(7, 32)
        state["vita_module.time.weight"] = torch.zeros(2)
        self.assertIn("missing: vita_module.pre_memory_embed_k.weight (32,32); left over: "
                      "vita_module.time.weight (2); of another shape: vita_module.fq_pos.weight is "
                      "(7,32), expected (5,32).", self.refusal(state, mode="genvis"))
        state = checkpoint(mode="vita")
        state["genvis_criterion.empty_weight"] = torch.ones(4)
        self.assertIn("left over: genvis_criterion.empty_weight (4).",
                      self.refusal(state, mode="vita"))

    def test_the_method_that_was_asked_for(self):
        path = Path("x.pth")
        for mode in NAMES:
            method = METHODS[mode]
            state = checkpoint(mode=mode)
            self.assertEqual(mode, chosen_mode(state, "auto", "auto", path))
            self.assertEqual(mode, chosen_mode(state, method, "auto", path))
            for other in {METHODS[name] for name in NAMES} - {method}:
                with self.assertRaises(CheckpointError) as caught:
                    chosen_mode(state, other, "auto", path)
                self.assertRegex(str(caught.exception), "^x.pth: it is a checkpoint of (MinVIS|"
                                 f"DVIS|VITA|GenVIS): give --method {method}, or a checkpoint of "
                                 f"{other}.$")
        with self.assertRaisesRegex(CheckpointError,
                                    "^the mode offline is one of dvis, not of genvis.$"):
            chosen_mode({}, "genvis", "offline", path)
        with self.assertRaisesRegex(CheckpointError, f"x.pth: {UNKNOWN}$"):
            chosen_mode({"weight": torch.ones(1)}, "genvis", "auto", path)

    def test_offline_model_with_online_weights_names_tensors_and_shapes(self):
        message = self.refusal(checkpoint(mode="online"))
        self.assertIn("x.pth: the checkpoint does not fit r50, offline, with 3 classes: missing: "
                      "refiner.", message)
        self.assertIn("in_proj_weight (96,32)", message)
        self.assertTrue(message.endswith("It has a tracker and no refiner: give --mode online, or "
                                         "the offline checkpoint."), message)

    def test_online_model_with_offline_weights_names_what_is_left_over(self):
        message = self.refusal(checkpoint(), mode="online")
        self.assertIn("left over: refiner.", message)
        self.assertTrue(message.endswith("give --mode offline, or the online checkpoint."), message)

    def test_minvis_weights_for_an_online_model(self):
        self.assertIn("It has neither tracker nor refiner: give --mode segmenter, or the online "
                      "checkpoint.", self.refusal(checkpoint(mode="segmenter"), mode="online"))

    def test_another_number_of_classes_names_both_shapes(self):
        message = self.refusal(checkpoint(classes=7))
        self.assertIn("sem_seg_head.predictor.class_embed.weight is (8,32), expected (4,32)",
                      message)
        self.assertIn("tracker.class_embed.bias is (8), expected (4)", message)
        self.assertTrue(message.endswith("It knows 7 classes: give their names."), message)

    def test_another_architecture(self):
        for arch, other in (("r50", "swin-l"), ("swin-l", "r50")):
            message = self.refusal(checkpoint(other), arch)
            self.assertTrue(message.endswith(f"that of {other}: give --arch {other}."), message)

    def test_single_tensors_missing_left_over_or_of_another_shape(self):
        state = checkpoint()
        del state["tracker.decoder_norm.bias"]
        state["tracker.noise"] = torch.zeros(2, 3)
        state["refiner.activation_proj.weight"] = torch.zeros(2, 32)
        message = self.refusal(state)
        self.assertIn("missing: tracker.decoder_norm.bias (32); left over: tracker.noise (2,3); of "
                      "another shape: refiner.activation_proj.weight is (2,32), expected (1,32).",
                      message)

    def test_what_no_network_reads_may_be_there_or_not(self):
        state = checkpoint()
        more = {name.replace("running_mean", "num_batches_tracked"): torch.tensor(7)
                for name in state if name.endswith("running_mean")}
        self.assertTrue(more)
        more.update(pixel_mean=torch.zeros(3, 1, 1), pixel_std=torch.ones(3, 1, 1))
        fewer = {name: value for name, value in state.items() if name != LOSS_WEIGHT}
        for changed in (fewer, {**state, **more}):
            model = Dvis(TINY_R50)
            load_strictly(model, changed, Path("x.pth"))
            for name, value in model.state_dict().items():
                torch.testing.assert_close(value, state[name], rtol=0, atol=0)
        self.assertIn("left over: pixel_means (3).",
                      self.refusal({**state, "pixel_means": torch.ones(3)}))
        self.assertIn("criterion.empty_weight is (9), expected (4)",
                      self.refusal({**state, LOSS_WEIGHT: torch.ones(9)}))

    def test_something_else_altogether(self):
        message = self.refusal({"weight": torch.ones(3)})
        self.assertTrue(message.endswith(UNKNOWN), message)

    def test_values_that_no_training_leaves(self):
        state = checkpoint()
        state["tracker.decoder_norm.bias"][3] = float("nan")
        self.assertEqual("x.pth: tracker.decoder_norm.bias holds numbers that are not finite.",
                         self.refusal(state))
        state["tracker.decoder_norm.bias"] = torch.zeros(32, dtype=torch.int64)
        self.assertEqual("x.pth: tracker.decoder_norm.bias holds int64, expected float32.",
                         self.refusal(state))
        state = checkpoint("swin-l")
        state["backbone.layers.0.blocks.0.attn.relative_position_index"] += 1
        self.assertIn("is not the table that a window of 3 gives.", self.refusal(state, "swin-l"))

    def test_the_old_name_of_the_queries_and_half_precision_are_taken(self):
        state = {name.replace("query_feat", "static_query"): value.half()
                 if value.is_floating_point() else value for name, value in checkpoint().items()}
        model = Dvis(TINY_R50)
        load_strictly(model, state, Path("x.pth"))
        wanted = state["sem_seg_head.predictor.static_query.weight"].float()
        torch.testing.assert_close(model.sem_seg_head.predictor.query_feat.weight.data, wanted,
                                   rtol=0, atol=0)


class Classes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "classes"

    def read(self, text: str, task: str = "vis"):
        self.path.write_text(text)
        return read_classes(self.path, task)

    def refusal(self, text: str, task: str = "vis") -> str:
        with self.assertRaises(CheckpointError) as caught:
            self.read(text, task)
        return str(caught.exception)

    def test_one_name_a_line(self):
        labels = self.read("person\n\n fire truck \n")
        self.assertEqual([("person", "thing"), ("fire truck", "thing")],
                         [(label.name, label.kind) for label in labels])
        self.assertEqual(2, len({label.color for label in labels}))
        self.assertEqual("stuff", self.read("sky", "vss")[0].kind)

    def test_files_of_other_systems(self):
        for text in ("\ufeffperson\r\nfire truck\r\n", '\ufeff["person",\r\n"fire truck"]'):
            self.assertEqual(["person", "fire truck"], [c.name for c in self.read(text)])

    def test_json_says_kind_and_colour(self):
        labels = self.read('[{"name": "person", "color": "#AA0000"}, "dog", {"name": "sky", '
                           '"kind": "stuff"}]', "vps")
        self.assertEqual([("person", "thing", "#aa0000"), ("dog", "thing")],
                         [(labels[0].name, labels[0].kind, labels[0].color),
                          (labels[1].name, labels[1].kind)])
        self.assertEqual("stuff", labels[2].kind)

    def test_mistakes_are_named(self):
        for text, task, words in (("", "vis", "expected one class name a line"),
                                  ("a\na\n", "vis", "the class a stands there more than once"),
                                  ('[{"name": "sky", "kind": "stuff"}, {"name": "dog"}]', "vps",
                                   "the thing dog comes after stuff"),
                                  ('[{"name": "a", "kind": "animal"}]', "vis", "the kind of class "
                                   "a is animal, expected thing or stuff"),
                                  ('[{"name": "a", "color": "red"}]', "vis", "the color of class a "
                                   "is red, expected #rrggbb"),
                                  ('[{"kind": "thing"}]', "vis", "class 0 has no name"),
                                  ("[", "vis", "the classes cannot be read"),
                                  ('{"a": 1}', "vis", "or a JSON list")):
            self.assertIn(words, self.refusal(text, task))
        with self.assertRaises(CheckpointError):
            read_classes(self.path.parent / "nowhere", "vis")


class Folder(unittest.TestCase):
    def imported(self, arch: str, kind: str, task: str = "vis",
                 **changes) -> tuple[Path, dict]:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name)
        (path / "classes.txt").write_text("a\nb\nc\n")
        torch.save({"model": checkpoint(arch, kind)}, path / "x.pth")
        with mock.patch.dict(config.SIZES, ARCHITECTURES):
            run(Request(path / "x.pth", arch, task, path / "classes.txt", path / "out", **changes))
        return path, json.loads((path / "out/manifest.json").read_text())

    def test_offline_has_every_graph_and_the_official_direction_of_matching(self):
        path, manifest = self.imported("r50", "offline")
        self.assertEqual(["segmenter", "tracker", "matcher", "frame_forward", "refiner",
                          "refiner_attention", "refiner_layer", "refiner_heads"],
                         list(manifest["files"]))
        self.assertEqual((1, 4), (manifest["refiner"]["layers"], manifest["refiner"]["heads"]))
        self.assertEqual(("dvis", 1024), (manifest["matching"], manifest["refiner"]["max_window"]))
        rule = manifest["input"]
        self.assertEqual((360, 1333, 32),
                         (rule["shorter_side"], rule["largest_side"], rule["divisor"]))
        self.assertEqual(["a", "b", "c"], [entry["name"] for entry in manifest["classes"]])
        digest = hashlib.sha256((path / "x.pth").read_bytes()).hexdigest()
        self.assertIn(digest, manifest["weights_from"])
        self.assertIn(digest, (path / "out/MODEL_CARD.md").read_text())
        graph = onnx.load(str(path / "out/segmenter.onnx")).graph
        self.assertEqual({"image": ["batch", 3, "height", "width"]}, dimensions(graph.input))
        self.assertEqual(["batch", 32, "map_height", "map_width"],
                         dimensions(graph.output)["mask_features"])

    def test_online_has_no_refiner(self):
        path, manifest = self.imported("swin-l", "online", shorter_side=300, largest_side=500,
                                       name="mine", version="2")
        self.assertEqual(["segmenter", "tracker", "matcher"], list(manifest["files"]))
        self.assertNotIn("refiner", manifest)
        self.assertEqual(("mine", "2", 300, 500),
                         (manifest["name"], manifest["version"], manifest["input"]["shorter_side"],
                          manifest["input"]["largest_side"]))

    def test_minvis_has_a_matcher_that_only_passes_on_what_was_matched(self):
        path, manifest = self.imported("r50", "segmenter")
        self.assertEqual(("minvis-r50-vis", "minvis", "aligned", ["segmenter", "matcher"]),
                         (manifest["name"], manifest["method"], manifest["matching"],
                          list(manifest["files"])))
        graph = onnx.load(str(path / "out/matcher.onnx")).graph
        self.assertEqual(["frame_embeds", "matched_embeds", "reference", "is_first"],
                         list(dimensions(graph.input)))
        reference = json.loads((path / "out/reference.json").read_text())["tensors"]
        raw = (path / "out/reference.bin").read_bytes()
        value = {entry["name"]: torch.frombuffer(bytearray(raw), dtype=torch.float32,
                                                 count=torch.Size(entry["shape"]).numel(),
                                                 offset=entry["offset"]).view(entry["shape"])
                 for entry in reference if entry["graph"] == "matcher"}
        # A new stream takes the frame's queries, a running one those matched to the slots.
        expected = torch.stack((value["frame_embeds"][0], value["matched_embeds"][1]))
        torch.testing.assert_close(value["instance_embeds"], expected)
        torch.testing.assert_close(value["reference_out"], value["instance_embeds"])

    def test_genvis_and_vita_are_found_out(self):
        path, manifest = self.imported("r50", "genvis", clip=3)
        self.assertEqual(("genvis-r50-vis", "genvis", 3, ["segmenter", "clip"], 360),
                         (manifest["name"], manifest["method"], manifest["clip"],
                          list(manifest["files"]), manifest["input"]["shorter_side"]))
        self.assertEqual(4 * 4 * 32, (path / "out/first_query.bin").stat().st_size)
        self.assertIn("GenVIS: segmenter and video queries",
                      (path / "out/MODEL_CARD.md").read_text())
        _, manifest = self.imported("swin-l", "vita", method="vita", max_window=36)
        self.assertEqual(("vita-swin-l-vis", "vita", 448, "aligned", 36),
                         (manifest["name"], manifest["method"], manifest["input"]["shorter_side"],
                          manifest["matching"], manifest["refiner"]["max_window"]))

    def test_what_does_not_go_together_with_the_method(self):
        with self.assertRaisesRegex(CheckpointError, "a model of genvis is for the task vis, not "
                                    "vps."):
            self.imported("r50", "genvis", "vps")
        with self.assertRaisesRegex(CheckpointError, "only GenVIS has clips of a chosen length, "
                                    "and this is a model of vita."):
            self.imported("r50", "vita", clip=3)

    def test_thresholds_of_a_panoptic_configuration_are_in_the_manifest(self):
        _, manifest = self.imported("r50", "segmenter", "vps", object_score=0.3, overlap=0.0)
        self.assertEqual({"object_score": 0.3, "overlap": 0.0}, manifest["panoptic"])
        _, manifest = self.imported("r50", "segmenter", "vps", overlap=0.5)
        self.assertEqual({"overlap": 0.5}, manifest["panoptic"])
        _, manifest = self.imported("r50", "segmenter", "vps")
        self.assertNotIn("panoptic", manifest)
        with self.assertRaisesRegex(CheckpointError, "overlap is for the task vps, not vis"):
            self.imported("r50", "segmenter", overlap=0.5)

    def test_card_and_command_name_the_weights_that_were_taken(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            (path / "classes.txt").write_text("a\nb\nc\n")
            state = checkpoint("r50", "segmenter")
            torch.save({"model": state, "model_ema": state}, path / "x.pth")
            with mock.patch.dict(config.SIZES, ARCHITECTURES):
                _, taken = run(Request(path / "x.pth", "r50", "vis", path / "classes.txt",
                                       path / "out"))
            self.assertEqual("the weights under model; model_ema of the file was not taken", taken)
            self.assertIn(taken, (path / "out/MODEL_CARD.md").read_text())

    def test_the_command_ends_with_one_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            (path / "classes.txt").write_text("a\n")
            torch.save({"weight": torch.ones(1)}, path / "x.pth")
            command = [sys.executable, "-m", "dvis", "--threads", "1", "import", "--checkpoint",
                       path / "x.pth", "--arch", "r50", "--task", "vis", "--classes",
                       path / "classes.txt", "--out", path / "out"]
            for more, words in (([], UNKNOWN),
                                (["--input", "480x864", "--shorter-side", "480"], "not both."),
                                (["--input", "480"], "found 480, expected HxW, such as 480x864"),
                                (["--max-window", "0"], "found 0, expected a whole number from 1 "
                                 "to 4096")):
                result = subprocess.run([*command, *more], cwd=context.MODELS, capture_output=True,
                                        text=True)
                self.assertNotEqual(0, result.returncode)
                self.assertTrue(result.stderr.rstrip().endswith(words), result.stderr)
                self.assertNotIn("Traceback", result.stderr)
            self.assertFalse((path / "out").exists())

    def test_the_wrong_mode_writes_nothing(self):
        with mock.patch("dvis.export.importing.write_folder") as write, \
                self.assertRaises(CheckpointError):
            self.imported("r50", "online", mode="offline")
        write.assert_not_called()


if __name__ == "__main__":
    unittest.main()
