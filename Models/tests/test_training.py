import tempfile
import unittest
from pathlib import Path
from unittest import mock

import context  # noqa: F401
import numpy as np
import torch
from torch import nn

from dvis.training import losses
from dvis.training import stage as training
from dvis.training.clips import Batch
from dvis.training.targets import make_targets
from dvis.training.tracker import slots


class ClipQuality(unittest.TestCase):
    """One object in four frames of two points."""

    def quality(self, masks, target, shown):
        masks, target = torch.tensor(masks) - 0.5, torch.tensor(target)
        return float(losses.clip_quality(masks, target, torch.ones(2), torch.tensor(shown)))

    def test_frames_count_by_their_chance_to_be_shown(self):
        target = [[1.0, 1.0]] * 4
        masks = [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
        self.assertAlmostEqual(0.625, self.quality(masks, target, [1.0] * 4))
        self.assertAlmostEqual(0.75, self.quality(masks, target, [0.5, 0.5, 0.0, 0.0]))

    def test_a_mask_where_no_object_is_counts_as_wrong_and_an_empty_frame_not_at_all(self):
        target = [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
        masks = [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
        self.assertAlmostEqual(0.5, self.quality(masks, target, [1.0] * 4))

    def test_a_clip_without_a_shown_frame_has_quality_zero(self):
        self.assertEqual(0, self.quality([[1.0, 1.0]] * 4, [[1.0, 1.0]] * 4, [0.0] * 4))


class Matching(unittest.TestCase):
    def test_every_visible_object_gets_its_own_best_query(self):
        cost = torch.tensor([[[1.0, 5.0], [2.0, 1.0], [0.0, 0.5]]])
        self.assertEqual([[2, 1]], losses.assign(cost, torch.tensor([[True, True]])).tolist())
        self.assertEqual([[-1, 2]], losses.assign(cost, torch.tensor([[False, True]])).tolist())

    def test_perfect_answers_cost_next_to_nothing(self):
        target = (torch.rand(1, 2, 50) > 0.5).float()
        masks = (target * 2 - 1) * 30
        logits = torch.full((1, 2, 4), -30.0)
        logits[0, 0, 1] = logits[0, 1, 2] = 30
        labels = torch.tensor([[1, 2]])
        assignment = losses.assign(losses.matching_cost(logits, masks, labels, target),
                                   torch.ones(1, 2, dtype=torch.bool))
        self.assertEqual([[0, 1]], assignment.tolist())
        self.assertAlmostEqual(0, float(losses.class_loss(logits, assignment, labels)), places=5)
        for value in losses.mask_losses(masks[0], target[0]):
            self.assertAlmostEqual(0, float(value), places=4)

    def test_no_object_counts_by_its_weight_in_the_class_loss(self):
        """Losses log 4 of the object and log 2 of the query without one, weighted 1 and 0.3."""
        logits = torch.tensor([[0, 0, np.log(2)]] * 2, dtype=torch.float)[None]
        loss = losses.class_loss(logits, torch.tensor([[0]]), torch.tensor([[1]]))
        self.assertAlmostEqual((np.log(4) + 0.3 * np.log(2)) / 1.3, float(loss), 6)
        quality = losses.class_loss(logits, torch.tensor([[0]]), torch.tensor([[1]]),
                                    quality=torch.tensor([[0.75]]))
        object_loss = 0.75 * np.log(4) + 0.25 * np.log(2)
        self.assertAlmostEqual((object_loss + 0.3 * np.log(2)) / 1.3, float(quality), 6)

    def test_contrast_is_small_only_if_objects_find_themselves(self):
        embeds = torch.eye(4)[None]
        right, wrong = torch.tensor([[0, 1]]), torch.tensor([[1, 0]])
        self.assertLess(float(losses.contrast(embeds, embeds, right, right)), 0.01)
        self.assertGreater(float(losses.contrast(embeds, embeds, right, wrong)), 5)

    def test_a_slot_is_given_at_first_sight_and_kept(self):
        """Three frames, three slots: object 0 from the start in slot 1.

        Object 1 later, best in slot 1 too, so it must take another."""
        target = torch.zeros(1, 3, 2, 4)
        target[0, :, 0, 0] = target[0, 1:, 1, 3] = 1
        visible = target.sum(-1) > 0
        masks = torch.full((1, 3, 3, 4), -9.0)
        # Object 0: slot 1 first, then slot 2 looks better.
        masks[0, 0, 1, 0] = masks[0, 1, 2, 0] = 9
        masks[0, 1:, 1, 3] = 9                          # object 1 would be best in the held slot 1
        masks[0, 1:, 0, 3] = 4
        batch = Batch(torch.zeros(1, 3, 3, 2), torch.zeros(1, 3, 2, 4), target, visible, visible,
                      torch.zeros(1, 2, dtype=torch.long), torch.ones(1, 4),
                      torch.zeros(1, 3, 3, 0))
        self.assertEqual([[1, 0]], slots(torch.zeros(1, 3, 3, 2), masks, batch).tolist())


class Ignoring(unittest.TestCase):
    """Cells that are neither an object nor background: the last two of six."""

    weight = torch.tensor([[1.0, 1, 1, 1, 0, 0]])

    def test_targets_hold_the_ignored_share_of_each_cell(self):
        ids = torch.zeros(1, 8, 8, dtype=torch.uint8)
        ids[0, :4, :4], ids[0, 4:, 6:] = 1, 255
        targets = make_targets(ids, [np.array([3])])
        self.assertEqual([[[1, 0], [0, 0]]], targets.masks[0].tolist())
        self.assertEqual([[[0, 0], [0, 0.5]]], targets.ignore.tolist())

    def test_what_a_mask_does_in_ignored_cells_costs_nothing(self):
        target = torch.tensor([[1.0, 1, 0, 0, 0, 0]])
        masks = torch.tensor([[2.0, -1, 1, -3, 5, -5]])
        other = torch.tensor([[2.0, -1, 1, -3, -9, 9]])
        for one, two, kept in zip(losses.mask_losses(masks, target, self.weight),
                                  losses.mask_losses(other, target, self.weight),
                                  losses.mask_losses(masks[:, :4], target[:, :4])):
            torch.testing.assert_close(one, two)
            torch.testing.assert_close(one, kept)
        labels, logits = torch.tensor([1]), torch.zeros(1, 4)
        costs = [losses.matching_cost(logits, some, labels, target, self.weight[0])
                 for some in (masks, other)]
        torch.testing.assert_close(*costs)
        kept = losses.matching_cost(logits, masks[:, :4], labels, target[:, :4])
        torch.testing.assert_close(costs[0], kept)

    def test_a_query_without_object_that_lies_mostly_in_ignored_cells_is_excused(self):
        masks = torch.tensor([[[9.0, -9, -9, -9, -9, -9], [-9, -9, -9, 9, 9, 9],
                               [-9, -9, 9, 9, 9, -9]]])
        excused = losses.mostly_in(masks, 1 - self.weight)
        self.assertEqual([[False, True, False]], excused.tolist())
        logits = torch.tensor([[[5.0, 0, 0], [5, 0, 0], [0, 0, 5]]])
        assignment, labels = torch.tensor([[0]]), torch.tensor([[0]])
        with_, without = (losses.class_loss(logits, assignment, labels, some)
                          for some in (excused, None))
        kept = losses.class_loss(logits[:, [0, 2]], assignment, labels)
        torch.testing.assert_close(with_, kept)
        self.assertGreater(float(without), float(with_) + 0.5)
        # A query with an object is judged wherever it lies.
        matched = losses.class_loss(logits, torch.tensor([[1]]), labels, excused)
        torch.testing.assert_close(matched, losses.class_loss(logits, torch.tensor([[1]]), labels))


class Resume(unittest.TestCase):
    def test_an_interrupted_stage_ends_with_the_same_weights(self):
        def steps(stage, numbers, clock):
            for number in numbers:
                clock.return_value += 1.0
                stage.step(stage.modules["net"](torch.full((2, 3), float(number))).square().sum())

        def fresh():
            torch.manual_seed(0)
            return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

        with tempfile.TemporaryDirectory() as folder, mock.patch.object(
            training.time, "monotonic", return_value=100.0) as clock:
            whole = training.Stage(Path(folder) / "whole.pt", {"net": fresh()}, 0.5, 0.01,
                                   slow=("0.",))
            steps(whole, range(10), clock)
            clock.return_value = 100.0
            part = training.Stage(Path(folder) / "part.pt", {"net": fresh()}, 0.5, 0.01,
                                  slow=("0.",))
            steps(part, range(4), clock)
            part.save()
            clock.return_value = 5000.0
            resumed = training.Stage(Path(folder) / "part.pt", {"net": fresh()}, 0.5, 0.01,
                                     slow=("0.",))
            self.assertEqual(4, resumed.steps)
            steps(resumed, range(4, 10), clock)
            self.assertAlmostEqual(resumed.progress, 10 / 30)
            for name, value in whole.modules.state_dict().items():
                torch.testing.assert_close(resumed.modules.state_dict()[name], value, rtol=0,
                                           atol=0)
                torch.testing.assert_close(resumed.average[name], whole.average[name], rtol=0,
                                           atol=0)
            self.assertEqual([], [path for path in Path(folder).iterdir() if path.suffix == ".new"])

    def test_a_loss_that_is_not_finite_changes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            net = nn.Linear(2, 1)
            stage = training.Stage(Path(folder) / "x.pt", {"net": net}, 1, 0.1)
            before = net.weight.detach().clone()
            stage.step(net(torch.full((1, 2), float("nan"))).sum())
            torch.testing.assert_close(net.weight, before)


if __name__ == "__main__":
    unittest.main()
