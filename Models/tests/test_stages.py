"""A few seconds of every stage in order, resumed once, then evaluated: no quality, only that the whole road is open."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import context  # noqa: F401
import torch

from dvis import train_refiner, train_segmenter, train_tracker
from dvis.clips import ClipPool
from dvis.evaluation import evaluate, table
from dvis.model import build
from dvis.training import load_run


class Stages(unittest.TestCase):
    def test_segmenter_tracker_refiner_evaluation(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), contextlib.ExitStack() as stack:
            for stage in (train_segmenter, train_tracker, train_refiner):
                stack.enter_context(mock.patch.object(stage, "START", 2))
            run = Path(folder)
            train_segmenter.train(build(), run, 0.03)
            saved = torch.load(run / "segmenter.pt")
            train_segmenter.train(build(), run, saved["spent"] / 60 + 0.03)
            self.assertGreater(torch.load(run / "segmenter.pt")["steps"], saved["steps"])
            train_tracker.train(build(), run, 0.03)
            train_refiner.train(build(), run, 0.03)
            model = build()
            self.assertEqual(["backbone", "sem_seg_head", "tracker", "refiner"], load_run(model, run))
            numbers = evaluate(model, "light", 1, 21)
            self.assertEqual(7 + 2 * 2, len(table(numbers).splitlines()) - 4)   # measures, and an interval for each of two gains

    def test_workers_render_clips_until_the_pool_is_closed(self):
        pool = ClipPool(build(), 10, True, 3, 2, 0, {"light": 1.0}, workers=1)
        try:
            pool.freshen(0, 0.0)
            batch = pool.batch(2, 7)
        finally:
            pool.close()
        self.assertEqual((2, 7, 20, 96), tuple(batch.embeds.shape))
        self.assertEqual((2, 7, 20, 2 * 96 + 10 + 48), tuple(batch.tracked.shape))
        self.assertFalse(pool.workers[0].is_alive())

    def test_evaluation_refuses_training_seeds(self):
        with self.assertRaisesRegex(ValueError, "training seeds"):
            evaluate(build(), "light", 2, 1, first_seed=999_999)


if __name__ == "__main__":
    unittest.main()
