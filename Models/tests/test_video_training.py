"""Training of video queries: what a step does, its data, and the commands around it."""
import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import context
import torch
from tiny import TINY_R50

from dvis.checkpoints import weights
from dvis.data.footage import ClipSource
from dvis.networks.genvis import follow
from dvis.networks.model import Dvis, build
from dvis.training import video, videostep
from dvis.training.clips import Batch, ClipPool
from dvis.training.stage import load_run

RENDERED = ClipSource({"light": 1.0})


def batch(frames: int) -> Batch:
    """Two videos of two objects, one of which comes late; points of a map of 32 channels."""
    torch.manual_seed(5)
    masks = torch.zeros(2, frames, 2, 64)
    masks[:, :, 0, :20] = 1
    masks[:, frames // 2:, 1, 30:50] = 1
    visible = masks.sum(-1) > 0
    queries = torch.where(visible, torch.tensor([2, 4]), torch.tensor(-1))
    features = torch.randn(2, 1, 32, 64) + 3 * masks.amax(2, keepdim=True)
    return Batch(torch.randn(2, frames, 5, 32), features, masks, visible, visible,
                 torch.tensor([[0, 2], [1, 1]]), torch.ones(2, 64), torch.zeros(2, frames, 5, 0),
                 queries)


def model(mode: str) -> Dvis:
    torch.manual_seed(6)
    made = Dvis(TINY_R50, mode).eval().requires_grad_(False)
    made.vita_module.requires_grad_(True)
    return made


class Step(unittest.TestCase):
    def test_training_runs_a_video_as_inference_does(self):
        genvis, frames = model("genvis"), batch(6).embeds
        with torch.no_grad():
            raw, tokens = videostep.forward(genvis, frames, 3)
            steps = follow(genvis.vita_module, frames, 3)
            torch.testing.assert_close(raw[:, -1], torch.stack([step.reference for step in steps]))
            vita = model("vita")
            raw, tokens = videostep.forward(vita, frames, 1)
            torch.testing.assert_close(tokens, vita.vita_module.encode(frames))
            logits = vita.vita_module.heads(raw[0, -1]).logits
            for row in range(2):
                torch.testing.assert_close(vita.vita_module(frames[row])[0], logits[row])

    def test_the_loss_falls_and_every_tensor_learns(self):
        for mode, length in (("genvis", 1), ("genvis", 3), ("vita", 1)):
            network = model(mode)
            module, given = network.vita_module, batch(9)
            optimiser = torch.optim.AdamW(module.parameters(), 2e-3)
            values = []
            for _ in range(40):
                total, figures = videostep.loss(network, given, length)
                optimiser.zero_grad()
                total.backward()
                if not values:
                    silent = [name for name, value in module.named_parameters()
                              if value.grad is None or not value.grad.abs().sum()]
                    self.assertEqual([], silent)
                optimiser.step()
                values.append(float(total))
            self.assertLess(values[-1], 0.5 * values[0], (mode, length))
            self.assertEqual(1, figures["right class"], (mode, length))

    def test_the_gradient_reaches_back_through_the_memory_and_the_carried_query(self):
        network, given = model("genvis"), batch(6)
        given.embeds.requires_grad_(True)
        raw, _ = videostep.forward(network, given.embeds, 1)
        raw[-1].sum().backward()
        self.assertTrue((given.embeds.grad.abs().sum((0, 2, 3)) > 0).all())

    def test_similarity_takes_the_queries_that_the_objects_have(self):
        class Plain:
            sim_embed_frame = sim_embed_clip = staticmethod(lambda x: x)

        tokens = torch.zeros(1, 1, 2, 5, 2)
        tokens[0, 0, :, 2, 0] = tokens[0, 0, 1, 4, 1] = 6
        embeds = torch.zeros(1, 1, 4, 2)
        embeds[0, 0, 3, 0] = embeds[0, 0, 1, 1] = 6
        queries = torch.tensor([[[[2, -1], [2, 4]]]])
        right, wrong = (float(videostep.similarity(Plain, embeds, tokens, torch.tensor([[slots]]),
                                               queries)) for slots in ([3, 1], [1, 3]))
        # Products of different objects are 0: half of a bit each.
        self.assertLess(right, 0.5)
        self.assertGreater(wrong, right + 5)


class Pool(unittest.TestCase):
    def test_clips_hold_the_segmenters_own_order_and_the_map_below_the_mask_features(self):
        network = build("small", "genvis").eval().requires_grad_(False)
        plain = build("small", "segmenter").eval().requires_grad_(False)
        plain.load_state_dict({name: value for name, value in network.state_dict().items()
                               if not name.startswith("vita_module.")})
        clip, other = (pool.items[0] for pool in map(filled, (network, plain)))
        self.assertEqual((4, 64, 2560), tuple(clip.features.shape))
        project = network.sem_seg_head.pixel_decoder.mask_features
        features = project(clip.features.float().unflatten(-1, (40, 64))).flatten(2)
        torch.testing.assert_close(features, other.features.float(), rtol=0.05, atol=0.05)
        torch.testing.assert_close(clip.embeds.sum(1), other.embeds.sum(1), rtol=1e-3, atol=1e-3)
        self.assertEqual((4, len(clip.labels)), tuple(clip.queries.shape))
        self.assertTrue(((clip.queries >= 0) == (clip.area >= 1)).all())
        self.assertEqual((4, 0), tuple(other.queries.shape))

    def test_a_batch_may_leave_frames_out(self):
        pool = filled(build("small", "vita").eval(), 7)
        given = pool.batch(2, 3, 3)
        self.assertEqual((2, 3, 20, 96), tuple(given.embeds.shape))
        clip = pool.items[0]
        for row in given.embeds:
            torch.testing.assert_close(row, clip.embeds[::3])


def filled(network: Dvis, length: int = 4) -> ClipPool:
    """Pool of one clip, the same for every model with the same segmenter."""
    torch.manual_seed(1)
    pool = ClipPool(network, length, False, 1, 1, 3, RENDERED)
    pool.freshen(0, 0.0)
    return pool


class Commands(unittest.TestCase):
    def test_a_run_is_trained_and_loads_again(self):
        """On the weights of a DVIS folder, which has no video queries and stays as it is."""
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), \
                mock.patch.object(video, "START", 2):
            run = Path(folder) / "run"
            base = build("small", "offline")
            weights.save(base, Path(folder) / weights.NAME, {"size": "small"})
            for mode in ("genvis", "vita-online"):
                network = build("small", mode)
                weights.load(network, Path(folder) / weights.NAME, "vita_module")
                video.train(network, run, 0.03, further=True)
                again = build("small", mode)
                weights.load(again, Path(folder) / weights.NAME, "vita_module")
                self.assertEqual(["vita_module"], load_run(again, run))
                for name, value in again.named_parameters():
                    if not name.startswith("vita_module."):
                        torch.testing.assert_close(value, base.get_parameter(name), rtol=1e-3,
                                                   atol=1e-3)
            with self.assertRaisesRegex(weights.WeightsError, "is only in the file"):
                weights.load(build("small", "genvis"), Path(folder) / weights.NAME)

    def test_errors_are_one_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            for command, words in (
                    (["train", "genvis", "--minutes", "1", "--size", "street"],
                     "dvis train: the size street has no video queries"),
                    (["export", "--method", "vita", "--from", "shapes", "--run", folder, "--out",
                      f"{folder}/out"], "has video queries; train them with: dvis train vita.")):
                result = subprocess.run([sys.executable, "-m", "dvis", "--threads", "1", *command],
                                        cwd=context.MODELS, capture_output=True, text=True)
                self.assertNotEqual(0, result.returncode)
                self.assertTrue(result.stderr.rstrip().endswith(words), result.stderr)
            self.assertFalse((Path(folder) / "out").exists())


if __name__ == "__main__":
    unittest.main()
