"""RefineVIS: temporal refinement, losses of the association, training."""
import math
import unittest
from dataclasses import replace

import context  # noqa: F401
import torch

from dvis.data.footage import ClipSource
from dvis.networks.model import Dvis
from dvis.networks.refinevis import PERIOD, WINDOW, TemporalRefinement
from dvis.training import refinevis
from dvis.training.clips import Batch, ClipPool
from dvis.training.contrastive import choose, contrastive_loss, cosine_loss

NO, YES = False, True


class Refinement(unittest.TestCase):
    """Two tracklets in 25 frames, more than the window."""

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(3)
        cls.refinement = TemporalRefinement(shapes().config).eval()
        cls.embeds = torch.randn(25, 2, 96)
        cls.frames = torch.arange(25.0)

    def refine(self, embeds, frames):
        with torch.no_grad():
            return self.refinement(embeds, frames, embeds, frames)

    def test_tracklets_do_not_see_each_other(self):
        alone = self.refine(self.embeds[:, 1:], self.frames)
        torch.testing.assert_close(self.refine(self.embeds, self.frames)[:, 1:], alone)

    def test_a_gap_is_filled_from_the_other_frames(self):
        gap = self.embeds.clone()
        gap[4] = 0
        other = gap.clone()
        other[6] += 1
        self.assertGreater(float((self.refine(gap, self.frames)[4]
                                  - self.refine(other, self.frames)[4]).abs().max()), 1e-3)

    def test_frame_numbers_matter_and_repeat_after_the_period(self):
        answer = self.refine(self.embeds, self.frames)
        again = self.refine(self.embeds, self.frames + PERIOD)
        torch.testing.assert_close(answer, again, atol=1e-4, rtol=0)
        self.assertGreater(float((answer - self.refine(self.embeds, self.frames + 7)).abs().max()),
                           1e-3)

    def test_online_a_frame_sees_itself_raw_and_those_of_the_window_refined(self):
        with torch.no_grad():
            answer = self.refinement.online(self.embeds, self.frames)
            for t in (0, 3, 24):
                first = max(0, t - WINDOW + 1)
                window = torch.cat((answer[first:t], self.embeds[t:t + 1]))
                expected = self.refinement(self.embeds[t:t + 1], self.frames[t:t + 1], window,
                                           self.frames[first:t + 1])
                torch.testing.assert_close(answer[t:t + 1], expected)


class Association(unittest.TestCase):
    """One object of embedding (1, 0); queries along, across and against it."""

    key = torch.tensor([[1.0, 0.0]])
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])

    def test_contrastive_loss_of_one_positive(self):
        """log(1 + e^(0-1) + e^(-1-1))."""
        given = torch.tensor([[YES, NO, NO]]), torch.tensor([[NO, YES, YES]])
        self.assertAlmostEqual(math.log(1 + math.exp(-1) + math.exp(-2)),
                               float(contrastive_loss(self.key, self.queries, *given)), places=6)

    def test_contrastive_loss_of_two_positives(self):
        """Products 1 and 0 are positive, -1 negative: log(1 + e^(-1-1) + e^(-1-0))."""
        given = torch.tensor([[YES, YES, NO]]), torch.tensor([[NO, NO, YES]])
        self.assertAlmostEqual(math.log(1 + math.exp(-2) + math.exp(-1)),
                               float(contrastive_loss(self.key, self.queries, *given)), places=6)

    def test_objects_without_positives_or_negatives_cost_nothing(self):
        none = torch.zeros(1, 3, dtype=torch.bool)
        for given in ((none, ~none), (~none, none)):
            self.assertEqual(0, float(contrastive_loss(self.key, self.queries, *given)))
            self.assertEqual(0, float(cosine_loss(self.key, self.queries, *given)))

    def test_cosine_loss_is_the_squared_error_of_the_cosines(self):
        """Cosine of the positive 0.6: (0.4^2 + 0^2 + 1^2) / 3; lengths do not matter."""
        queries = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0]])
        given = torch.tensor([[YES, NO, NO]]), torch.tensor([[NO, YES, YES]])
        self.assertAlmostEqual((0.16 + 0 + 1) / 3,
                               float(cosine_loss(2 * self.key, queries, *given)), places=6)

    def test_cosine_loss_takes_ten_negatives_per_positive(self):
        """One positive without error, 30 negatives with an error of 1: 10 / 11."""
        queries = self.key.expand(31, 2)
        positive = torch.zeros(1, 31, dtype=torch.bool)
        positive[0, 4] = True
        self.assertAlmostEqual(10 / 11, float(cosine_loss(self.key, queries, positive, ~positive)),
                               places=6)

    def test_positives_are_as_many_as_the_overlaps_say_and_the_near_ones_count_for_nothing(self):
        """60 queries, so that two may be positive and 20 are near; overlaps of 1.7 make one."""
        cost = torch.arange(60.0)[:, None].repeat(1, 2)
        overlap = torch.zeros(60, 2)
        overlap[:2, 0] = torch.tensor([0.9, 0.8])
        overlap[:4, 1] = 0.8
        positive, negative = choose(cost, overlap, torch.tensor([0, 30]))
        self.assertEqual([[0], [1, 30]], [sorted(row.nonzero()[:, 0].tolist())
                                             for row in positive])
        # Query 30 is the second object's; 0 is the first object's, so no positive of the second.
        self.assertEqual([], negative[0, :20].nonzero()[:, 0].tolist())
        self.assertTrue(negative[0, 20:].all())

    def test_objects_that_are_not_visible_are_left_out(self):
        positive, negative = choose(torch.rand(30, 1), torch.rand(30, 1), torch.tensor([-1]))
        self.assertFalse(positive.any() or negative.any())


class Losses(unittest.TestCase):
    """One object in two frames of two points, four queries; embeddings are the logits."""

    def setUp(self):
        self.model = shapes()
        heads = self.model.sem_seg_head.predictor
        heads.class_embed, heads.mask_embed = Two(0, 10), Two(10, 12)
        self.batch = Batch(torch.zeros(1, 2, 4, 96), torch.eye(2).expand(1, 2, 2, 2),
                           torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]]), *([torch.tensor(
                               [[[YES], [NO]]])] * 2), torch.tensor([[2]]), torch.ones(1, 2),
                           torch.zeros(1, 2, 4, 0))

    def loss(self, refined, known=YES):
        return [float(part) for part in refinevis.refinement_loss(
            self.model, self.batch, refined, torch.tensor([[known]]))]

    def test_a_tracklet_shows_its_object_where_it_is_and_none_else(self):
        """Ten equal logits: log 10 in both frames; logits 0 at both points: 20 log 2 at the weight
        of masks, and dice 1 - (2 x 0.5 + 1) / (1 + 1 + 1)."""
        parts = self.loss(torch.zeros(2, 1, 1, 96))
        self.assertAlmostEqual(math.log(10), parts[0], places=5)
        self.assertAlmostEqual(math.log(2) * refinevis.losses.MASK_FOCUS, parts[1], places=4)
        self.assertAlmostEqual(1 - 2 / 3, parts[2], places=5)

    def test_the_right_answer_costs_nothing(self):
        refined = torch.zeros(2, 1, 1, 96)
        refined[0, ..., 2], refined[1, ..., 9] = 30, 30
        refined[0, ..., 10], refined[:, ..., 11] = 30, -30
        for part in self.loss(refined):
            self.assertAlmostEqual(0, part, places=4)

    def test_dropped_detections_are_zeros(self):
        self.batch.embeds += 1
        assignment = torch.tensor([[[3], [-1]]])
        embeds, known = refinevis.tracklets(self.batch, assignment, 0.0)
        self.assertEqual([[96.0], [0.0]], embeds.sum((1, 3)).tolist())
        self.assertEqual([[True]], known.tolist())
        embeds, known = refinevis.tracklets(self.batch, assignment, 1.0)
        self.assertEqual((0.0, [[False]]), (float(embeds.sum()), known.tolist()))


class Training(unittest.TestCase):
    def test_steps_lower_every_loss_of_a_fixed_batch(self):
        torch.manual_seed(0)
        model = shapes()
        refinevis.load_segmenter(model, context.MODELS / "shapes")
        refinevis.start_from_segmenter(model)
        model.eval().requires_grad_(False)
        model.refinevis.requires_grad_(True)
        pool = ClipPool(model, 6, False, 4, 4, 5, ClipSource({"everyday": 1.0}))
        pool.freshen(1, 0.0)
        batch = pool.batch(4, 6)
        optimiser = torch.optim.AdamW(model.refinevis.parameters(), lr=1e-3)

        def figures():
            torch.manual_seed(1)
            return refinevis.loss(model, batch, (0, 4))

        before = figures()[1]
        for _ in range(40):
            total, _ = refinevis.loss(model, batch, (0, 4))
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
        after = figures()[1]
        for name in ("contrast", "cosine", "class", "mask", "dice"):
            self.assertLess(after[name], 0.95 * before[name], name)

    def test_the_segmenter_of_another_size_is_refused_with_a_sentence(self):
        model = Dvis(replace(shapes().config, queries=7), "refinevis")
        with self.assertRaisesRegex(refinevis.weights.WeightsError, "its segmenter is another one"):
            refinevis.load_segmenter(model, context.MODELS / "shapes")


class Two(torch.nn.Module):
    """Some channels of its input."""

    def __init__(self, first: int, last: int):
        super().__init__()
        self.some = slice(first, last)

    def forward(self, x):
        return x[..., self.some]


def shapes() -> Dvis:
    from dvis.networks.config import SIZES
    return Dvis(SIZES["small"], "refinevis")


if __name__ == "__main__":
    unittest.main()
