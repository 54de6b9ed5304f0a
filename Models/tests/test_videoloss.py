"""Losses of VITA and GenVIS, also against what the official criteria answered
(../shared/data/cases; left out where that folder is absent)."""
import unittest

import context  # noqa: F401
import numpy as np
import torch
from make_fill_checkpoint import ROOT
from torch.nn import functional as F

from dvis.training import videoloss

EXACT = 1e-5


def sampled(maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Maps [M,h,w] at points (x, y) in 0..1 [M or 1,P,2] -> [M,P]."""
    grid = (2 * points - 1).expand(len(maps), -1, -1)[:, :, None]
    return F.grid_sample(maps[:, None], grid, align_corners=False)[:, 0, :, 0]


class Dump:
    """One recorded run of a criterion; tensors of the layers L and videos B side by side: R = L*B.
    """

    def __init__(self, path):
        self.data = np.load(path)
        (self.layers, self.videos, self.queries, self.frame_queries, self.frames, self.clips, _,
         self.points, *_) = self.data["sizes"].tolist()
        self.counts = [len(self.data[f"labels.{b}"]) for b in range(self.videos)]
        self.objects = max(self.counts)
        labels = torch.zeros(self.videos, self.objects, dtype=torch.long)
        for b, count in enumerate(self.counts):
            labels[b, :count] = self.tensor(f"labels.{b}")
        self.labels = labels.repeat(self.layers, 1)

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.data[name])

    def masks(self, clip: int, b: int) -> torch.Tensor:
        """Masks [N,n,H,W] of a video in a clip."""
        bits = np.unpackbits(self.data[f"masks.{b}"], axis=-1)
        some = slice(clip * self.frames, (clip + 1) * self.frames)
        return torch.from_numpy(bits[:, some, :, :self.data["masks_width"][0]]).float()

    def flags(self, name: str) -> torch.Tensor:
        """valid or new of every object, bool [R,N]."""
        result = torch.zeros(self.videos, self.objects, dtype=torch.bool)
        for b, count in enumerate(self.counts):
            result[b, :count] = self.tensor(f"{name}.{b}")
        return result.repeat(self.layers, 1)

    def rows(self, clip: int, output: str, name: str) -> torch.Tensor:
        return self.tensor(f"clip{clip}.{output}.{name}").flatten(0, 1)

    def cost(self, clip: int, output: str, first: int) -> torch.Tensor:
        """Cost [R,Q,N] at the recorded random points; `first`: number of the first draw."""
        masks, logits = (self.rows(clip, output, name) for name in ("pred_masks", "pred_logits"))
        result = torch.zeros(len(masks), self.queries, self.objects)
        for row in range(len(masks)):
            b = row % self.videos
            points = self.tensor(f"clip{clip}.rand.{first + row}")
            mine, target = (sampled(x.flatten(0, 1), points).reshape(len(x), -1)
                            for x in (masks[row], self.masks(clip, b)))
            result[row, :, :self.counts[b]] = videoloss.tube_cost(
                logits[row], mine, self.labels[row, :self.counts[b]], target)
        return result

    def tubes(self, clip: int, output: str, first: int, assignment: torch.Tensor,
              by_query: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Matched tubes and their truth [M,n*P] at uncertain and free points.

        The draws are in the order of the queries of each row, or of the objects."""
        pairs = [(row, int(query), i) for row, some in enumerate(assignment)
                 for i, query in enumerate(some) if query >= 0]
        if by_query:
            pairs.sort()
        masks = self.rows(clip, output, "pred_masks")
        mine = torch.cat([masks[row, query] for row, query, _ in pairs])
        truth = torch.cat([self.masks(clip, row % self.videos)[i] for row, _, i in pairs])
        candidates, free = (self.tensor(f"clip{clip}.rand.{first + i}") for i in (0, 1))
        index = videoloss.hard_points(sampled(mine, candidates),
                                      int(videoloss.UNCERTAIN * self.points))
        hard = candidates.gather(1, index[..., None].expand(-1, -1, 2))
        points = torch.cat((hard, free), 1)
        return tuple(sampled(x, points).reshape(len(pairs), -1) for x in (mine, truth))

    def similarity(self, clip: int, assignment: torch.Tensor) -> torch.Tensor:
        frames = self.tensor(f"clip{clip}.pred_fq_embed").flatten(0, 1).flatten(1, 2)
        objects = torch.full((self.layers, self.videos, self.frames, self.frame_queries), -1)
        for layer, image, query, index in self.data[f"clip{clip}.frame_match"].tolist():
            b, frame = divmod(image, self.frames)
            ids = self.data[f"ids.{b}"][:, clip * self.frames + frame]
            objects[layer, b, frame, query] = int(np.flatnonzero(ids >= 0)[index])
        queries = self.rows(clip, "main", "pred_cq_embed")
        index = assignment.clamp(min=0)[..., None].expand(-1, -1, queries.shape[-1])
        number = torch.arange(self.objects).expand_as(assignment)
        owners = torch.where(assignment >= 0, number, -torch.ones_like(number))
        return videoloss.similarity_loss(
            torch.cat((frames, queries.gather(1, index)), 1),
            torch.cat((objects.flatten(0, 1).flatten(1), owners), 1))


@unittest.skipUnless((ROOT / "vita").is_dir(), "../shared/data/cases/vita is not there")
class Recorded(unittest.TestCase):
    def near(self, found: torch.Tensor, dump: Dump, name: str):
        self.assertAlmostEqual(float(dump.data[name][0]), float(found), delta=EXACT, msg=name)

    def check_losses(self, dump: Dump, clip: int, kind: str, output: str, first: int,
                     assignment: torch.Tensor, by_query: bool):
        end = "" if output == "main" else "_0"
        logits = dump.rows(clip, output, "pred_logits")
        tubes = dump.tubes(clip, output, first, assignment, by_query)
        values = (videoloss.class_loss(logits, assignment, dump.labels),
                  *videoloss.mask_losses(*tubes))
        for name, value in zip(("ce", "mask", "dice"), values):
            self.near(value, dump, f"clip{clip}.loss.loss_{kind}_{name}{end}")
        if output == "main":
            self.near(dump.similarity(clip, assignment), dump, f"clip{clip}.loss.loss_{kind}_sim")

    def check_costs(self, dump: Dump, clip: int, cost: torch.Tensor, first: int):
        """Recorded costs, but for those of what must not be assigned."""
        for row in range(len(cost)):
            expected = dump.tensor(f"clip{clip}.cost.{first + row}")
            found = cost[row, :, :expected.shape[1]]
            open_ = expected < videoloss.BARRED / 2
            torch.testing.assert_close(found[open_], expected[open_], rtol=0, atol=EXACT)

    def test_vita(self):
        dump = Dump(ROOT / "vita/losses_toy.npz")
        rows = dump.layers * dump.videos
        for number, output in enumerate(("main", "aux")):
            first = number * (rows + 2)
            cost = dump.cost(0, output, first)
            self.check_costs(dump, 0, cost, number * rows)
            none = torch.full((rows, dump.objects), -1)
            assignment = videoloss.assign_new(cost, dump.flags("clip0.valid"), none)
            self.check_losses(dump, 0, "vita", output, first + rows, assignment, True)

    def test_genvis_over_all_clips(self):
        """Slots of the official rule, which lets a newcomer take the slot of a hidden object."""
        dump = Dump(ROOT / "genvis/uvla_toy.npz")
        rows = dump.layers * dump.videos
        slots = {output: torch.full((rows, dump.objects), -1) for output in ("main", "aux")}
        for clip in range(dump.clips):
            valid = dump.flags(f"clip{clip}.valid")
            for number, output in enumerate(slots):
                first = number * (rows + 2)
                cost = dump.cost(clip, output, first)
                self.check_costs(dump, clip, cost, number * rows)
                slots[output] = videoloss.assign_new(cost, valid, slots[output], True)
                for row in range(rows):
                    expected = dump.tensor(f"clip{clip}.match.{output}.{row}")[0]
                    seen = slots[output][row, :len(expected)]
                    torch.testing.assert_close(seen[seen >= 0], expected[seen >= 0])
                assignment = torch.where(valid, slots[output], -torch.ones_like(valid.long()))
                self.check_losses(dump, clip, "genvis", output, first + rows, assignment, False)


class Slots(unittest.TestCase):
    """Three slots; object 0 is seen first, then hidden, when object 1 comes."""

    cost = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 3.0]]])

    def test_a_slot_once_taken_stays_taken(self):
        slots = torch.tensor([[-1, -1]])
        first = videoloss.assign_new(self.cost, torch.tensor([[True, False]]), slots)
        self.assertEqual([[0, -1]], first.tolist())
        second = videoloss.assign_new(self.cost, torch.tensor([[False, True]]), first)
        self.assertEqual([[0, 1]], second.tolist())
        official = videoloss.assign_new(self.cost, torch.tensor([[False, True]]), first, True)
        self.assertEqual([[0, 0]], official.tolist())

    def test_more_objects_than_free_slots_leaves_some_without(self):
        held = torch.tensor([[2, 1, -1, -1]])
        cost = torch.arange(12.0).reshape(1, 3, 4)
        found = videoloss.assign_new(cost, torch.ones(1, 4, dtype=torch.bool), held)
        self.assertEqual([2, 1, 0, -1], found[0].tolist())

    def test_similarity_counts_pairs_of_objects_only(self):
        embeds = torch.tensor([[[4.0, -4], [-4, 4], [4, -4], [50, 50]]])
        right = videoloss.similarity_loss(embeds, torch.tensor([[0, 1, 0, -1]]))
        wrong = videoloss.similarity_loss(embeds, torch.tensor([[0, 0, 1, -1]]))
        self.assertLess(float(right), 1e-3)
        self.assertGreater(float(wrong), 8)
        self.assertEqual(0, float(videoloss.similarity_loss(embeds, torch.full((1, 4), -1))))


if __name__ == "__main__":
    unittest.main()
