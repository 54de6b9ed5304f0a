"""Counts of ties between slots and video queries, on values that can be checked by hand."""
import unittest

import numpy as np
import torch

import context  # noqa: F401
from dvis.evaluation import ties


class Objects(unittest.TestCase):
    def test_tube_of_an_object(self):
        truth = torch.tensor([[[1., 1, 0, 0], [0, 0, 1, 1]], [[1, 1, 0, 0], [0, 0, 1, 1]]])
        masks = torch.tensor([[[0., 0, 1, 1], [1, 0, 0, 0]], [[0, 0, 1, 1], [0, 0, 0, 1]]])

        found = ties._objects(masks, truth, torch.tensor([True, True]))
        unsure = ties._objects(masks, truth, torch.tensor([False, True]))

        np.testing.assert_array_equal(found, [1, -1])
        np.testing.assert_array_equal(unsure, [-1, -1])


class Overlap(unittest.TestCase):
    def test_frames_in_which_the_slot_is_hidden_do_not_count(self):
        slots = torch.tensor([[[1., 1, 0, 0]], [[0, 0, 0, 0]]])
        queries = torch.tensor([[[1., 0, 0, 0], [0, 0, 1, 1]], [[1, 1, 1, 1], [0, 0, 1, 1]]])

        found = ties._iou(slots, queries, torch.tensor([[True], [False]]))

        torch.testing.assert_close(found, torch.tensor([[0.5, 0.0]]))


class Compare(unittest.TestCase):
    def test_every_kind_is_counted_once(self):
        found = ties.Ties()

        # Slots: right, wrong, missing, without a video query, and one that shows nothing.
        ties._compare(found, {0: 2, 1: 0, 3: 1, 4: 0}, np.array([5, 6, 7, 8, -1]),
                      np.array([7, 6, 5, -1]))

        self.assertEqual(found, ties.Ties(right=1, wrong=1, missing=1, false=1))


if __name__ == "__main__":
    unittest.main()
