"""A few seconds of every stage in order, resumed once, then evaluated: no quality, only that the
whole road is open."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import context  # noqa: F401
import torch
from photograph_set import SetWriter

from dvis.data.footage import ClipSource
from dvis.data.photos.photographs import Photographs
from dvis.evaluation.videos import evaluate, table
from dvis.networks.model import build
from dvis.training import refiner as train_refiner
from dvis.training import segmenter as train_segmenter
from dvis.training import tracker as train_tracker
from dvis.training.clips import ClipPool
from dvis.training.stage import load_run


class Stages(unittest.TestCase):
    def test_segmenter_tracker_refiner_evaluation(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(
            io.StringIO()), contextlib.ExitStack() as stack:
            for stage in (train_segmenter, train_tracker, train_refiner):
                stack.enter_context(mock.patch.object(stage, "START", 2))
            run = Path(folder)
            train_segmenter.train(build(), run, 0.03)
            saved = torch.load(run / "segmenter.pt")
            train_segmenter.train(build(), run, saved["spent"] / 60 + 0.03)
            self.assertGreater(torch.load(run / "segmenter.pt")["steps"], saved["steps"])
            train_tracker.train(build(), run, 0)
            self.assertEqual(0, torch.load(run / "tracker.pt")["steps"])
            train_tracker.train(build(), run, 0.03)
            train_refiner.train(build(), run, 0.03)
            model = build()
            self.assertEqual(["backbone", "sem_seg_head", "tracker", "refiner"],
                             load_run(model, run))
            numbers = evaluate(model, "light", 1, 21)
            # Measures, and an interval for each of two gains.
            self.assertEqual(7 + 2 * 2, len(table(numbers).splitlines()) - 4)

    def test_workers_render_clips_until_the_pool_is_closed(self):
        pool = ClipPool(build(), 10, True, 3, 2, 0, ClipSource({"light": 1.0}), workers=1)
        try:
            pool.freshen(0, 0.0)
            batch = pool.batch(2, 7)
        finally:
            pool.close()
        self.assertEqual((2, 7, 20, 96), tuple(batch.embeds.shape))
        self.assertEqual((2, 7, 20, 2 * 96 + 10 + 48), tuple(batch.tracked.shape))
        self.assertFalse(pool.workers.processes[0].is_alive())

    def test_clips_of_photographs_train_tracker_and_refiner_and_are_evaluated(self):
        """Of other sizes than rendered clips, with a crowd that is ignored, in one batch with them.
        """
        with tempfile.TemporaryDirectory() as folder:
            photos = SetWriter(Path(folder) / "crowds")
            for part in ("train", "val"):
                photos.crowd(photos.photograph([("person", 40, 60, 100, 190),
                                                ("dog", 10, 10, 70, 40)], part), "person", 110, 20,
                             320, 230)
            photographs = [Photographs.load([photos.write()], part) for part in ("train", "val")]
            model = build()
            train_tracker.start_from_segmenter(model)
            train_refiner.start_from_tracker(model)
            model.eval()
            for tracked, loss in ((False, train_tracker.loss),
                                  (True, lambda *given: train_refiner.loss(*given, True))):
                pool = ClipPool(model, 4, tracked, 4, 4, 2,
                                ClipSource({"light": 1.0}, None, photographs[0], 0.6))
                pool.freshen(1, 0.0)
                self.assertGreater(len({len(clip.features[0, 0]) for clip in pool.items}), 1)
                batch = pool.batch(5, 3)
                self.assertTrue(0 < float(batch.ignore.mean()) < 1)
                total, _ = loss(model, batch)
                total.backward()
                self.assertTrue(torch.isfinite(total))
            numbers = evaluate(model, "real", 2, 5, photographs=photographs[1])
            self.assertEqual(("real", 2), (numbers["tier"], numbers["videos"]))
            again = evaluate(model, "real", 2, 5, photographs=photographs[1])
            self.assertEqual(numbers["tracker"], again["tracker"])

    def test_evaluation_refuses_training_seeds(self):
        with self.assertRaisesRegex(ValueError, "training seeds"):
            evaluate(build(), "light", 2, 1, first_seed=999_999)


if __name__ == "__main__":
    unittest.main()
