import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import context  # noqa: F401
import torch

from dvis.config import SIZES
from dvis.export import export
from dvis.model import Dvis, build
from dvis.restore import restore


class Restore(unittest.TestCase):
    def test_an_exported_model_computes_the_same_again_and_its_batch_norms_have_statistics(self):
        torch.manual_seed(4)
        model = build().eval()
        pictures = torch.randn(2, 3, 64, 96)
        with torch.no_grad():   # as after training: no neutral and no equal numbers
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.uniform_(-0.2, 0.2)
                    module.running_var.uniform_(0.5, 2)
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.uniform_(-0.2, 0.2)
        with tempfile.TemporaryDirectory() as folder:
            export(model, Path(folder), "1")
            again = build()
            restore(again, Path(folder), [pictures])
        queries = torch.randn(3, model.config.queries, model.config.hidden)
        with torch.no_grad():
            for one, other in zip(model.segment(pictures), again.segment(pictures)):
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(model.tracker.frame_forward(queries), again.tracker.frame_forward(queries))
            torch.testing.assert_close(model.refiner(queries, queries)[1], again.refiner(queries, queries)[1])
            again.train()
            again.segment(pictures)
            again.eval()
            # With its own statistics a batch norm in training mode hardly moves them.
            torch.testing.assert_close(model.segment(pictures)[1], again.segment(pictures)[1], rtol=0.2, atol=0.2)

    def test_a_folder_of_another_size_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            export(Dvis(replace(SIZES["small"], decoder_layers=1)), Path(folder), "1")
            with self.assertRaisesRegex(ValueError, "another size"):
                restore(build(), Path(folder), [])


if __name__ == "__main__":
    unittest.main()
