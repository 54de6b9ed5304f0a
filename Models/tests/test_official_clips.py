"""VITA and GenVIS on R50 against what the official code answered with the same weights
(../shared/data/cases/{vita,genvis}; left out where these folders are absent).

python3 tests/test_official_clips.py also prints the largest difference of every comparison.
"""
import copy
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import numpy as np
import onnx
import torch
from make_fill_checkpoint import ROOT, fill_module, filled

from dvis.checkpoints.checkpoint import read_checkpoint
from dvis.checkpoints.official import chosen_mode, load_strictly, loss_weights
from dvis.export.graphs import traced
from dvis.export.interpreter import Interpreter
from dvis.export.modules import GRAPHS
from dvis.networks.genvis import follow, read
from dvis.networks.model import build

EXACT = 1e-5      # share of the scale, of float32 tensors from the dumped inputs
CHAIN = 6e-4      # the same at the end of a chain of clips, along which rounding grows
HALF = 2e-3       # stored as float16
SEGMENTER = 5e-5  # of the segmenter in float64 (see test_official.py)
CLASSES = 25


class Official(unittest.TestCase):
    """R50 model of one method with the weights of its fill.py, and comparisons."""

    method = ""
    shows = False

    @classmethod
    def setUpClass(cls):
        if not cls.method or not (ROOT / cls.method).is_dir():
            raise unittest.SkipTest(f"../shared/data/cases/{cls.method} is not there"
                                    if cls.method else "the base of the classes below")
        torch.set_grad_enabled(False)
        cls.addClassCleanup(torch.set_grad_enabled, True)
        cls.model = build("r50", cls.method, classes=CLASSES).eval()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.pth"
            torch.save({"model": filled("r50", cls.method, CLASSES)}, path)
            tensors = read_checkpoint(path).tensors
            assert chosen_mode(tensors, "auto", "auto", path) == cls.method
            load_strictly(cls.model, tensors, path)
        cls.module = cls.model.vita_module
        cls.synthetic = np.load(ROOT / cls.method / "module_synth.npz")

    def near(self, found: torch.Tensor, expected, tolerance: float = EXACT):
        """Every value within `tolerance` of the largest expected one."""
        expected = torch.from_numpy(np.asarray(expected)).float()
        scale = float(expected.abs().max())
        if self.shows:
            print(f"{self._testMethodName}: {(found - expected).abs().max():.1e} of {scale:.1f}")
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * max(1.0, scale))

    def queries(self, case: str, count: int) -> torch.Tensor:
        """Frame queries [T,100,256] of a case of the module alone."""
        seed = int(self.synthetic[f"{case}.input.seed"][0])
        made = fill_module(self.method).synth_queries(count, seed=seed)
        self.assertAlmostEqual(float(self.synthetic[f"{case}.input.sum"][0]),
                               float(made.astype(np.float64).sum()), delta=1e-3)
        return torch.from_numpy(made)

    def features(self, dump, frame: int) -> torch.Tensor:
        """Mask features [1,256,h,w] of a frame from its pixels, and its frame queries compared.

        The segmenter runs in float64, where masked attention decides as the official code did."""
        video = torch.from_numpy(dump["video_u8"][[frame]]).permute(0, 2, 3, 1)
        model = copy.deepcopy(self.model).double()
        embeds, features, logits = model.segment(model.normalise(video).double())
        self.near(embeds[0].float(), dump["frame_queries"][frame], SEGMENTER)
        self.near(logits[0].float(), dump["frame_logits"][frame], HALF)
        return features.float()

    def names_and_shapes(self):
        for arch, short in (("r50", "r50"), ("swin-l", "swin")):
            listed = (ROOT / self.method / f"keys_{short}_ovis.txt").read_text().splitlines()
            ours = {name: str(tuple(tensor.shape)) for name, tensor
                    in build(arch, self.method, classes=CLASSES).state_dict().items()}
            ours.update(dict.fromkeys(loss_weights(self.method), f"({CLASSES + 1},)"))
            self.assertEqual({line.split("\t")[0]: line.split("\t")[1] for line in listed}, ours)

    def graph(self, name: str, *inputs: torch.Tensor) -> Interpreter:
        """The graph of the model, traced with these inputs."""
        kind, names, outputs, axes = GRAPHS[name]
        module = kind(self.model).eval()
        with tempfile.TemporaryDirectory() as folder:
            return Interpreter(traced(module, Path(folder) / "x.onnx", dict(zip(names, inputs)),
                                      dict(zip(outputs, module(*inputs))), axes))


class VitaOfficial(Official):
    method = "vita"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dump = np.load(ROOT / "vita/vita_ovis_192x320_t14.npz")
        cls.frames = torch.from_numpy(cls.dump["frame_queries"])

    def test_names_and_shapes_are_the_official_ones(self):
        self.names_and_shapes()

    def test_module_for_any_length_and_window(self):
        for case in sorted({name.split(".")[0] for name in self.synthetic.files}):
            count, window = (int(part[1:]) for part in case.split("_"))
            module = copy.copy(self.module)
            module.window = window
            frames = self.queries(case, count)
            logits, mask_embeds, _, _ = module(frames)
            self.near(module.encode(frames[None])[0, self.synthetic[f"{case}.encoder.frames"]],
                      self.synthetic[f"{case}.encoder.out"])
            self.near(logits, self.synthetic[f"{case}.pred_logits"])
            self.near(mask_embeds, self.synthetic[f"{case}.pred_mask_embed"])

    def test_every_layer_on_the_official_frame_queries(self):
        seen = {}
        hooks = [feed.register_forward_hook(
            lambda _, __, output, layer=layer: seen.__setitem__(layer, output[0]))
            for layer, feed in enumerate(self.module.enc_ffn)]
        tokens = self.module.encode(self.frames[None])
        for hook in hooks:
            hook.remove()
        for layer in range(2):      # plain windows, then shifted ones
            self.near(seen[layer], self.dump[f"encoder.layer{layer}"], HALF / 2)
        self.near(tokens[0], self.dump["encoder.out"])
        outputs = self.module.decode(self.module.query_feat.weight[None], tokens)
        for layer, output in enumerate(outputs):
            self.near(output[0], self.dump[f"decoder.layer{layer}"])
        self.near(self.module.heads(outputs[-1]).embeds[0], self.dump["decoder.norm"])

    def test_heads_and_masks_of_the_whole_video(self):
        logits, mask_embeds, frames, video = self.module(self.frames)
        self.near(logits, self.dump["pred_logits"])
        self.near(mask_embeds, self.dump["pred_mask_embed"])
        self.near(frames[0], self.dump["sim_embed_frame.first"])
        self.near(video, self.dump["sim_embed_clip"])
        chosen = mask_embeds[self.dump["topk.queries"]]
        for frame, name in ((0, "first"), (13, "last")):
            features = self.features(self.dump, frame)
            masks = (chosen @ features[0].flatten(1)).unflatten(1, features.shape[2:])
            self.near(masks, self.dump[f"mask_logits.{name}_frame"], HALF)
            if frame:
                self.near(features[0], self.dump["mask_features.last_frame"], HALF)

    def test_the_graph_traced_with_another_length(self):
        graph = self.graph("vita", self.frames[:4])
        answers = graph.run({"frame_embeds": self.frames})
        self.near(answers["logits"], self.dump["pred_logits"])
        self.near(answers["frame_similarity"][0], self.dump["sim_embed_frame.first"])
        self.near(answers["query_similarity"], self.dump["sim_embed_clip"])
        # e.(A x + b) with the map x and ones: (A'e, e.b).
        project = self.module.vita_mask_features
        expected = torch.from_numpy(self.dump["pred_mask_embed"])
        self.near(answers["mask_embeds"][:, :-1], expected @ project.weight.flatten(1))
        self.near(answers["mask_embeds"][:, -1], expected @ project.bias)


class GenVisOfficial(Official):
    method = "genvis"

    def test_names_and_shapes_are_the_official_ones(self):
        self.names_and_shapes()

    def test_module_over_chains_of_clips(self):
        """48 clips of one frame; 7 clips of three, the last of two."""
        for case, length, count in (("N1_T48", 1, 48), ("N3_T20", 3, 20)):
            steps = follow(self.module, self.queries(case, count)[None], length)
            self.near(torch.cat([step.logits for step in steps]),
                      self.synthetic[f"{case}.pred_logits"], CHAIN)
            for clip in self.synthetic[f"{case}.marked"]:
                for name, field in (("output", "reference"), ("pred_mask_embed", "mask_embeds"),
                                    ("memory.k", "memory_key"), ("memory.v", "memory_value")):
                    self.near(getattr(steps[clip], field)[0],
                              self.synthetic[f"{case}.{name}.{clip}"], CHAIN)
            scores = torch.stack([step.logits[0].softmax(-1)[:, :-1] for step in steps]).amax(0)
            self.near(scores, self.synthetic[f"{case}.score.max_over_clips"], CHAIN)

    def check_clips(self, name: str, length: int):
        """Every clip of a video from the official state of the clips before it."""
        dump = np.load(ROOT / f"genvis/{name}.npz")
        clips = torch.from_numpy(dump["frame_queries"]).split(length)
        output, keys, values = (torch.from_numpy(dump[part])
                                for part in ("output", "memory.k", "memory.v"))
        for index, clip in enumerate(clips):
            query = self.module.first_query()[None]
            if index:
                before = self.module.step(output[index - 1][None])
                memory = keys[None, :index], values[None, :index]
                found = read(before.read_key, *memory)
                scores = (before.read_key * keys[:index]).sum(-1)
                self.near(scores.softmax(0).T, dump["read.weights"][index][:, :index])
                if index == len(clips) - 1:
                    self.near(found[0], dump["read.value.last"])
                query = before.next_query + found
            marked = np.flatnonzero(dump["query_read.clips"] == index)
            if marked.size:
                self.near(query[0], dump["query_read"][marked[0]])
            step = self.module(clip[None], query)
            for part, expected in (("reference", output), ("memory_key", keys),
                                   ("memory_value", values),
                                   ("logits", torch.from_numpy(dump["pred_logits"])),
                                   ("mask_embeds", torch.from_numpy(dump["pred_mask_embed"]))):
                self.near(getattr(step, part)[0], expected[index])
        for layer, raw in enumerate(self.module.decode(query, self.module.encode(clip[None]))[:-1]):
            self.near(raw[0], dump[f"decoder.layer{layer}.last"])
        self.near(step.embeds[0], dump["decoder.norm.last"])
        return dump, step

    def test_online_clip_by_clip_and_its_masks(self):
        dump, step = self.check_clips("online_ovis_192x320_t10", 1)
        for frame, tokens in zip(dump["encoder.out.frames"], dump["encoder.out"]):
            frames = torch.from_numpy(dump["frame_queries"][frame])
            self.near(self.module.encode(frames[None, None])[0, 0], tokens, HALF / 2)
        features = self.features(dump, 9)
        self.near(features[0], dump["mask_features.last_frame"], HALF)
        masks = step.mask_embeds[0, dump["topk.queries"]] @ features[0].flatten(1)
        self.near(masks.unflatten(1, features.shape[2:]), dump["mask_logits.last_frame"], HALF)

    def test_semi_online_clip_by_clip(self):
        self.check_clips("semi_online_ovis_192x320_t11", 3)

    def test_the_whole_chain_of_a_video(self):
        dump = np.load(ROOT / "genvis/semi_online_ovis_192x320_t11.npz")
        steps = follow(self.module, torch.from_numpy(dump["frame_queries"])[None], 3)
        self.near(torch.cat([step.logits for step in steps]), dump["pred_logits"], CHAIN)
        scores = torch.stack([step.logits[0].softmax(-1)[:, :-1] for step in steps]).amax(0)
        best = scores.flatten().topk(len(dump["topk.queries"]))
        found = {(int(place) // CLASSES, int(place) % CLASSES) for place in best.indices}
        self.assertEqual(set(zip(dump["topk.queries"].tolist(),
                                 dump["final.pred_labels"].tolist())), found)

    def test_the_graph_traced_with_other_sizes(self):
        """Clips 0 and 3 of the semi-online video side by side in one batch, 2 frames each."""
        dump = np.load(ROOT / "genvis/semi_online_ovis_192x320_t11.npz")
        graph = self.graph("clip", torch.randn(1, 1, 100, 256), torch.randn(1, 100, 256))
        frames = torch.from_numpy(dump["frame_queries"])
        query = torch.from_numpy(dump["query_read"])[[0, 3]]
        answers = graph.run({"frame_embeds": torch.stack((frames[0:2], frames[9:11])),
                             "query": query})
        for name, expected in (("reference_out", "output"), ("logits", "pred_logits"),
                               ("mask_embeds", "pred_mask_embed"), ("memory_key", "memory.k"),
                               ("memory_value", "memory.v")):
            self.near(answers[name][1], dump[expected][3])
        whole = self.graph("clip", frames[None, :3], query[:1]).run(
            {"frame_embeds": frames[None, :3], "query": query[:1]})
        self.near(whole["reference_out"][0], dump["output"][0])
        following = whole["next_query"] + read(whole["read_key"], whole["memory_key"][:, None],
                                               whole["memory_value"][:, None])
        self.near(following[0], dump["query_read"][1])


if __name__ == "__main__":
    Official.shows = True
    unittest.main()
