"""The refiner in steps is the refiner, whatever the blocks."""
import unittest

import context  # noqa: F401
import torch
from test_networks import tiny

from dvis.networks.stepwise import MARGIN, Attention, Heads, Layer


def blocks(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def merge(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Weighted mean of (values [..., heads * n], logarithms of their weights [..., heads])."""
    share = torch.stack([weight for _, weight in parts]).softmax(0)
    return sum(values.unflatten(-1, (share.shape[-1], -1)) * part.unsqueeze(-1)
               for (values, _), part in zip(parts, share)).flatten(-2)


@torch.no_grad()
def refine(refiner, x: torch.Tensor, memory: torch.Tensor, size: int,
           queries: int) -> tuple[torch.Tensor, torch.Tensor]:
    attention, layer, heads = Attention(refiner), Layer(refiner), Heads(refiner)
    frames = blocks(len(x), size)
    for number in range(len(refiner.conv_norms)):
        which = torch.tensor([float(number)])
        mixed = torch.cat([torch.cat([merge([attention(which, x[rows, group], x[keys, group])
                                             for keys in frames]) for rows in frames])
                           for group in blocks(x.shape[1], queries)], 1)
        after = []
        for rows in frames:
            first = max(0, rows.start - MARGIN)
            seen = slice(first, rows.stop + MARGIN)
            after.append(layer(which, x[seen], mixed[seen],
                               memory[seen])[rows.start - first:rows.stop - first])
        x = torch.cat(after)
    parts = [heads(x[rows]) for rows in frames]
    return merge([(logits, weight)
                  for logits, weight, _ in parts]), torch.cat([masks for _, _, masks in parts])


class Stepwise(unittest.TestCase):
    def test_where_scores_are_qualities_blocks_give_the_same_score(self):
        refiner = tiny().refiner
        refiner.scores_quality = True
        instance, memory = (torch.randn(11, 5, 32, dtype=torch.float64) for _ in range(2))
        with torch.no_grad():
            torch.testing.assert_close(refine(refiner, instance, memory, 4, 2)[0],
                                       refiner(instance, memory)[0])

    def test_blocks_of_any_size_give_what_the_whole_clip_gives(self):
        refiner = tiny().refiner
        for frames, size, queries in ((1, 4, 5), (2, 1, 2), (9, 9, 5), (11, 4, 2), (20, 7, 3)):
            instance, memory = (torch.randn(frames, 5, 32, dtype=torch.float64) for _ in range(2))
            with torch.no_grad():
                whole = refiner(instance, memory)
            for ours, theirs in zip(refine(refiner, instance, memory, size, queries), whole):
                torch.testing.assert_close(ours, theirs)

    def test_every_layer_has_its_own_weights_and_leaves_the_refiner_alone(self):
        refiner = tiny().refiner
        before = {name: value.clone() for name, value in refiner.state_dict().items()}
        x = torch.randn(3, 5, 32, dtype=torch.float64)
        with torch.no_grad():
            answers = [Layer(refiner)(torch.tensor([float(number)]), x, x, x)
                       for number in range(len(refiner.conv_norms))]
        self.assertFalse(torch.allclose(answers[0], answers[1]))
        for name, value in refiner.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)


if __name__ == "__main__":
    unittest.main()
