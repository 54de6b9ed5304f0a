"""Goals and losses of the segmenter whose queries are boxes, and its training images."""
import itertools
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import context  # noqa: F401
import numpy as np
import torch
from photograph_set import street

from dvis.data.photos.photographs import Photographs
from dvis.data.photos.stills import Stills
from dvis.networks.config import REAL_CLASSES, SIZES
from dvis.networks.detector import BINS, COCO_CLASSES, Proposals
from dvis.networks.model import Dvis
from dvis.networks.segmenter import Segments
from dvis.training import stage
from dvis.training.selection import goals, loss, noised, train, true_boxes
from dvis.training.stage import load_run
from dvis.training.targets import make_targets

PERSON, CAR = REAL_CLASSES.index("person"), REAL_CLASSES.index("car")
K = len(REAL_CLASSES)


def scene():
    """An image of 64x96 pixels: a person in the left half, a car at the right, something ignored
    below."""
    ids = np.zeros((1, 64, 96), np.uint8)
    ids[0, 8:40, 8:24] = 1
    ids[0, 16:32, 56:88] = 2
    ids[0, 48:, :] = 255
    return make_targets(torch.from_numpy(ids), [np.array([PERSON, CAR])])


def boxes(*rows):
    """Boxes in pixels x0, y0, x1, y1 as proposals with empty scores and features."""
    x0, y0, x1, y1 = torch.tensor([rows], dtype=torch.float32).unbind(-1)
    relative = torch.stack(((x0 + x1) / 192, (y0 + y1) / 128, (x1 - x0) / 96, (y1 - y0) / 64), -1)
    return Proposals(relative, torch.zeros(1, len(rows), K), torch.zeros(1, len(rows), 128))


def answer(targets, *objects):
    """Certain masks of the numbered objects, None for a query that sees nothing."""
    masks = torch.full((1, len(objects), 16, 24), -9.0)
    logits = torch.zeros(1, len(objects), K + 1)
    for query, number in enumerate(objects):
        if number is not None:
            masks[0, query] = 18 * targets.masks[0, number] - 9
            logits[0, query, targets.labels[0, number]] = 4.0
    return Segments(torch.zeros(1, len(objects), 8), logits.requires_grad_(),
                    masks.requires_grad_())


class Goals(unittest.TestCase):
    def test_true_boxes_are_those_of_the_masks(self):
        found, present = true_boxes(scene())
        self.assertEqual(present.tolist(), [[True, True]])
        torch.testing.assert_close(found[0], torch.tensor([[8 / 96, 8 / 64, 24 / 96, 40 / 64],
                                                           [56 / 96, 16 / 64, 88 / 96, 32 / 64]]))

    def test_each_object_gets_the_query_on_it_and_duplicates_learn_its_mask(self):
        targets = scene()
        proposals = boxes((60, 18, 90, 34), (8, 8, 24, 40), (9, 9, 25, 41), (0, 50, 40, 64),
                          (30, 2, 50, 14), (56, 16, 88, 32))
        # The last query is of the second group.
        owner = torch.tensor([[1]])
        found = goals(answer(targets, 1, None, 0, None, None, 1), proposals, owner, targets)
        self.assertEqual(found.object.tolist(), [[1, -1, 0, -1, -1, 1]])
        self.assertEqual(found.excused.tolist(), [[False, False, False, True, False, False]])
        taught = dict(zip(found.queries.tolist(), found.weight.tolist()))
        # Query 1 lies on the person, too.
        self.assertEqual(sorted(taught), [0, 1, 2, 5])
        self.assertLess(taught[1], taught[2])
        torch.testing.assert_close(found.quality[0, [0, 2, 5]], torch.ones(3))
        person = found.queries.tolist().index(2)
        car = targets.masks[0, 1].flatten()
        # Others weigh more.
        self.assertTrue((found.cells[person][car > 0] > found.cells[person][-24 * 5 + 1]).all())
        # What is ignored nothing.
        self.assertEqual(float(found.cells[:, -24 * 4:].max()), 0.0)

    def test_a_box_far_from_every_object_is_never_matched(self):
        targets = scene()
        found = goals(answer(targets, 0, 1), boxes((40, 0, 50, 8), (56, 16, 88, 32)),
                      torch.zeros(1, 0, dtype=torch.long), targets)
        self.assertEqual(found.object.tolist(), [[-1, 1]])

    def test_the_score_of_a_mask_tends_to_its_iou(self):
        targets = scene()
        part = answer(targets, 0, 0)
        with torch.no_grad():
            # half of the person is missing
            part.masks[0, :, 6:] = -9.0
        found = goals(part, boxes((8, 8, 24, 40), (8, 8, 24, 40)), torch.tensor([[0]]), targets)
        self.assertAlmostEqual(float(found.quality[0, 0]), 0.5, places=5)
        logits = torch.zeros(1, 2, K + 1, requires_grad=True)
        optimiser = torch.optim.Adam([logits], 0.2)
        for _ in range(300):
            optimiser.zero_grad()
            loss([part._replace(logits=logits)], found, torch.tensor([True]))[0].backward()
            optimiser.step()
        self.assertAlmostEqual(float(logits.softmax(-1)[0, 0, PERSON]), 0.5, delta=0.02)

    def test_where_only_persons_are_annotated_other_objects_are_not_punished(self):
        targets = scene()
        answered = answer(targets, None, None)
        with torch.no_grad():
            answered.logits[0, :, CAR] = 6.0
        found = goals(answered, boxes((40, 0, 50, 8), (40, 0, 50, 8)), torch.tensor([[-1]]),
                      targets)
        few, all_ = (float(loss([answered], found, torch.tensor([complete]))[1]["class"])
                     for complete in (False, True))
        self.assertLess(few, 0.1 * all_)

    def test_noised_boxes_stay_near_their_objects_and_take_the_answers_of_their_cell(self):
        torch.manual_seed(0)
        size = (64, 96)
        cells = sum((64 // s) * (96 // s) for s in (8, 16, 32))
        answers = torch.zeros(1, cells, COCO_CLASSES + 4 * BINS)
        # Person: the number of the cell.
        answers[..., 0] = torch.arange(cells)
        truth, present = true_boxes(scene())
        made, owner = noised(truth, present, torch.zeros(1, cells, 128), answers, size, 6)
        self.assertEqual(owner.tolist(), [[0, 1, -1, -1, -1, -1]])
        for query in (0, 1):
            x, y, width, height = made.boxes[0, query].tolist()
            x0, y0, x1, y1 = truth[0, query].tolist()
            self.assertTrue(x0 < x < x1 and y0 < y < y1)
            self.assertTrue(0.7 < width / (x1 - x0) < 1.4 and 0.7 < height / (y1 - y0) < 1.4)
        # 32x16 pixels: the finest level.
        x, y = made.boxes[0, 1, :2] * torch.tensor([96, 64])
        self.assertEqual(float(made.scores[0, 1, PERSON]), int(y // 8) * 12 + int(x // 8))


class Training(unittest.TestCase):
    def test_stills_show_what_their_maps_say_and_come_from_the_seed(self):
        with tempfile.TemporaryDirectory() as folder:
            photographs = Photographs.load([street(Path(folder) / "set")], "train")
            first, second = (Stills(photographs, 5).batch(4) for _ in range(2))
        for one, other in zip(first, second):
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.ids, other.ids)
            self.assertEqual(one.image.shape[:2], one.ids.shape)
            self.assertTrue(one.complete)
            numbers = set(np.unique(one.ids).tolist()) - {0, 255}
            self.assertEqual(numbers, set(range(1, len(one.labels) + 1)))
        self.assertTrue(any(len(still.labels) for still in first))

    def test_a_step_changes_what_learns_and_leaves_the_detector(self):
        torch.manual_seed(0)
        model = Dvis(replace(SIZES["street"], queries=6), "segmenter")
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with tempfile.TemporaryDirectory() as folder:
            photographs = Photographs.load([street(Path(folder) / "set")], "train")
            # A clock that counts its readings, so that every machine makes the same few steps.
            clock = SimpleNamespace(monotonic=itertools.count(0.0, 0.25).__next__)
            with mock.patch.object(stage, "time", clock):
                train(model, Path(folder) / "run", 0.1, photographs)
            changed = {name for name, value in model.state_dict().items()
                       if not torch.equal(value, before[name])}
            again = Dvis(replace(SIZES["street"], queries=6), "segmenter")
            self.assertEqual(load_run(again, Path(folder) / "run"), ["backbone", "sem_seg_head"])
        self.assertTrue(any("mask_embed" in name for name in changed))
        self.assertFalse([name for name in changed if "backbone" in name or "detector" in name])


if __name__ == "__main__":
    unittest.main()
