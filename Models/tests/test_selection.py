"""The head whose queries are a detector's boxes, and the detector itself."""
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
import torch

from dvis.checkpoints.nanodet import PackageError, initialise
from dvis.networks.config import REAL_CLASSES, SIZES
from dvis.networks.detector import (BINS, CANDIDATES, COCO_CLASSES, CspBackbone, Detector,
                                    class_logits, decode, grid, overlap)
from dvis.networks.layers import sine_position
from dvis.networks.model import Dvis
from dvis.networks.selection import box_position, box_waves, outside, place

STREET = SIZES["street"]


class DetectorTests(unittest.TestCase):
    def test_boxes_are_centres_and_expected_distances(self):
        levels = [torch.zeros(1, 4, 4, 6), torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 1, 1)]
        cells = grid(levels)
        self.assertEqual(cells.shape, (1, 24 + 6 + 1, 3))
        # Second row, second column.
        torch.testing.assert_close(cells[0, 7], torch.tensor([12.0, 12.0, 8.0]))
        torch.testing.assert_close(cells[0, 24 + 4], torch.tensor([24.0, 24.0, 16.0]))
        bins = torch.full((1, 31, 4, BINS), -50.0)
        for side, reach in enumerate((1, 2, 3, 4)):
            bins[..., side, reach] = 50.0
        torch.testing.assert_close(decode(bins.flatten(2), cells)[0, 7],
                                   torch.tensor([4.0, -4.0, 36.0, 44.0]))

    def test_a_class_of_several_takes_the_most_confident(self):
        answers = torch.full((1, 1, COCO_CLASSES), -5.0)
        # Dog, boat, car.
        answers[..., 16], answers[..., 8], answers[..., 2] = 2.0, 1.0, 0.5
        logits = dict(zip(REAL_CLASSES, class_logits(answers, REAL_CLASSES)[0, 0].tolist()))
        self.assertEqual(logits, {**dict.fromkeys(REAL_CLASSES, -5.0), "animal": 2.0,
                                  "vehicle": 1.0, "car": 0.5})

    def test_overlap_is_iou(self):
        boxes = torch.tensor([[[0.0, 0, 4, 4], [2, 0, 6, 4], [10, 10, 12, 12]]])
        expected = torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])
        torch.testing.assert_close(overlap(boxes, boxes)[0], expected)
        torch.testing.assert_close(overlap(boxes[:, :1], boxes.clone())[0], expected[:1])

    def test_weaker_boxes_of_one_group_are_suppressed_and_others_stay(self):
        detector = Detector().eval()
        levels = [torch.zeros(1, 128, 16, 16), torch.zeros(1, 128, 8, 8), torch.zeros(1, 128, 4, 4)]
        answers = torch.full((1, 336, COCO_CLASSES + 4 * BINS), -9.0)
        # Every box reaches 3 cells.
        answers[..., COCO_CLASSES + 3::BINS] = 50.0
        # A car; a truck beside it.
        answers[:, 120, 2], answers[:, 121, 7], answers[:, 121, 2] = 3.0, 2.0, 1.0
        # A person in the same place.
        answers[:, 122, 0] = 2.5
        detector.head = lambda levels: (torch.zeros(1, 336, 128), answers)
        found = detector.propose(levels, 3, REAL_CLASSES)
        best = found.scores.amax(-1)[0]
        torch.testing.assert_close(best[:2], torch.tensor([3.0, 2.5]))
        self.assertLess(float(best[2]), -8)      # a suppressed box, or one that nothing speaks for
        torch.testing.assert_close(found.boxes[0, 0],
                                   torch.tensor([8.5 / 16, 7.5 / 16, 6 / 16, 6 / 16]))

    def test_a_missing_or_different_package_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "package.tgz"
            with self.assertRaisesRegex(PackageError,
                                        "no such file or folder; get it with: npm pack"):
                initialise(CspBackbone(), Detector(), source)
            source.write_bytes(b"another archive")
            with self.assertRaisesRegex(PackageError, "sha256 is .*, expected adbc87995b"):
                initialise(CspBackbone(), Detector(), source)
            with self.assertRaisesRegex(PackageError, "nanodet.json is missing"):
                initialise(CspBackbone(), Detector(), Path(folder))


class Selection(unittest.TestCase):
    def test_positions_of_boxes_are_those_of_the_cells_at_their_centres(self):
        cells = sine_position(torch.zeros(1, 128, 9, 16))
        # The encoding counts cells from 1.
        box = torch.tensor([[[12 / 16, 5 / 9, 0.2, 0.3]]])
        torch.testing.assert_close(box_position(box, 128)[0, 0, :128], cells[0, 4 * 16 + 11],
                                   rtol=1e-3, atol=1e-4)

    def test_place_channels_are_cosines_across_the_image(self):
        waves = place(torch.zeros(2, 3, 4, 6), (2, 1))
        self.assertEqual(waves.shape, (2, 3, 4, 6))
        torch.testing.assert_close(waves[0, 0, 0],
                                   torch.cos(torch.pi * (torch.arange(6) + 0.5) / 6))
        torch.testing.assert_close(waves[1, 1, 2],
                                   torch.cos(2 * torch.pi * (torch.arange(6) + 0.5) / 6))
        torch.testing.assert_close(waves[1, 2, :, 1],
                                   torch.cos(torch.pi * (torch.arange(4) + 0.5) / 4))

    def test_waves_of_a_box_draw_it(self):
        counts, boxes = (16, 8), torch.tensor([[[0.3, 0.5, 0.2, 0.4], [0.95, 0.1, 0.02, 0.9]]])
        drawn = (box_waves(boxes, counts)
                 @ place(torch.zeros(1, 1, 36, 64), counts).flatten(2)).reshape(2, 36, 64)
        across = box_waves(boxes,
                           counts)[..., :16] @ place(torch.zeros(1, 1, 36, 64), counts)[:, :16, 0]
        offset = across[0, 0].max() - across[0, 0, 50]
        # A bump of height 1.
        self.assertAlmostEqual(float(offset), 1.0, delta=0.15)
        self.assertEqual(int(across[0, 0].argmax()) // 6, 19 // 6)
        self.assertGreater(int(across[0, 1].argmax()), 58)
        self.assertGreater(float(drawn[0, 18, 19]), float(drawn[0, 18, 40]) + 0.8)
        self.assertGreater(float(drawn[0, 18, 19]), float(drawn[0, 2, 19]) + 0.8)

    def test_a_query_first_sees_the_cells_of_its_box_and_never_none(self):
        level = torch.zeros(1, 1, 4, 8)
        seen = 1 - outside(torch.tensor([[[0.5, 0.5, 0.25, 0.5], [0.01, 0.99, 0.001, 0.001]]]),
                           level).reshape(1, 2, 4, 8)
        self.assertEqual(seen[0, 0].nonzero().tolist(),
                         [[row, column] for row in range(4) for column in range(2, 6)])
        self.assertEqual(seen[0, 1].nonzero().tolist(), [[3, 0]])

    def test_groups_of_queries_do_not_see_each_other(self):
        torch.manual_seed(1)
        head = Dvis(STREET, "segmenter").eval().sem_seg_head
        levels = [torch.randn(1, 128, *size) for size in ((2, 3), (4, 6), (8, 12))]
        features = torch.randn(1, STREET.mask_channels, 16, 24)
        draw = lambda: head.detector.propose([torch.randn(1, 128, 16, 24),
                                              torch.randn(1, 128, 8, 12),
                                              torch.randn(1, 128, 4, 6)], 5, REAL_CLASSES)
        own, others = draw(), draw()
        both = type(own)(*(torch.cat(pair, 1) for pair in zip(own, others)))
        with torch.no_grad():
            alone = head.predictor(levels, features, own)[-1]
            beside = head.predictor(levels, features, both, 5)[-1]
        torch.testing.assert_close(beside.embeds[:, :5], alone.embeds, rtol=1e-4, atol=1e-4)

    def test_images_of_a_batch_do_not_change_each_other_and_sizes_are_free(self):
        torch.manual_seed(2)
        model = Dvis(STREET, "segmenter").eval()
        image = torch.randn(2, 3, 128, 160)
        with torch.no_grad():
            both, alone = model.segment(image), model.segment(image[1:])
        self.assertEqual([tuple(part.shape) for part in both],
                         [(2, 40, 128), (2, 72, 32, 40), (2, 40, 9)])
        for one, other in zip(both, alone):
            torch.testing.assert_close(one[1:], other, rtol=1e-3, atol=1e-3)
        self.assertGreaterEqual(16 * 20 + 8 * 10 + 4 * 5, CANDIDATES)


if __name__ == "__main__":
    unittest.main()
