"""The official architectures' own parts against direct loops, and their sizes against the official
ones."""
import math
import unittest

import context  # noqa: F401
import torch
from tiny import TINY_R50, TINY_SWIN
from torch import nn
from torch.nn import functional as F

from dvis.networks.deformable import POINTS, DeformableAttention, cells
from dvis.networks.model import Dvis, build
from dvis.networks.resnet import FrozenNorm
from dvis.networks.swin import (APART, SwinBlock, SwinStage, from_windows, relative_index,
                                shift_mask, to_windows)


def random_weights(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    module = module.double().eval()
    for parameter in module.parameters():
        parameter.data = 0.5 * torch.randn_like(parameter)
    return module


class Sizes(unittest.TestCase):
    def test_counts_are_those_of_the_official_checkpoints(self):
        for size, mode, tensors in (("r50", "offline", 868), ("r50", "online", 676),
                                    ("r50", "segmenter", 558)):
            # And criterion.empty_weight.
            self.assertEqual(tensors, len(build(size, mode, classes=25).state_dict()) + 1)

    def test_both_give_what_the_service_expects_at_several_sizes(self):
        for config in (TINY_R50, TINY_SWIN):
            model = Dvis(config).eval()
            for batch, height, width in ((1, 64, 96), (2, 32, 64)):
                with torch.no_grad():
                    embeds, features, logits = model.segment(torch.randn(batch, 3, height, width))
                self.assertEqual(((batch, 5, 32), (batch, 32, height // 4, width // 4),
                                  (batch, 5, 4)), (embeds.shape, features.shape, logits.shape))

    def test_images_of_a_batch_do_not_touch_each_other(self):
        for config in (TINY_R50, TINY_SWIN):
            model = Dvis(config).double().eval()
            images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
            with torch.no_grad():
                torch.testing.assert_close(model.segment(images)[0][1:],
                                           model.segment(images[1:])[0])


class Resnet(unittest.TestCase):
    def test_frozen_norm_is_the_stored_statistics(self):
        norm = FrozenNorm(3).double()
        for value in norm.buffers():
            value.copy_(torch.rand(3, dtype=torch.float64) + 0.5)
        x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
        one = lambda v: v.view(1, 3, 1, 1)
        normal = (x - one(norm.running_mean)) / (one(norm.running_var) + 1e-5).sqrt()
        expected = normal * one(norm.weight) + one(norm.bias)
        torch.testing.assert_close(norm.train()(x), expected)
        self.assertEqual(["weight", "bias", "running_mean", "running_var"], list(norm.state_dict()))


class Deformable(unittest.TestCase):
    @torch.no_grad()
    def test_attention_equals_a_direct_loop(self):
        heads, channels = 2, 8
        attention = random_weights(DeformableAttention(channels, heads))
        maps = [torch.zeros(1, channels, h, w, dtype=torch.float64)
                for h, w in ((2, 3), (3, 5), (4, 7))]
        tokens = sum(level.shape[2] * level.shape[3] for level in maps)
        query, source = (torch.randn(2, tokens, channels, dtype=torch.float64) for _ in range(2))
        centres, sizes = zip(*map(cells, maps))
        found = attention(query, source, torch.cat(centres), sizes,
                          [tuple(level.shape[2:]) for level in maps])

        places = [((x + 0.5) / level.shape[3], (y + 0.5) / level.shape[2]) for level in maps
                  for y in range(level.shape[2]) for x in range(level.shape[3])]
        value = attention.value_proj(source)
        for image in range(2):
            for token, (x, y) in enumerate(places):
                mixed = []
                for head in range(heads):
                    offsets = attention.sampling_offsets(query[image, token]).view(
                        heads, 3, POINTS, 2)[head]
                    weights = attention.attention_weights(query[image, token]).view(heads, -1)[
                        head].softmax(0).view(3, POINTS)
                    total, start = torch.zeros(channels // heads, dtype=torch.float64), 0
                    for level, (h, w) in enumerate(level.shape[2:] for level in maps):
                        table = value[image, start:start + h * w, head * 4:(head + 1) * 4].view(
                            h, w, 4)
                        for point in range(POINTS):
                            dx, dy = offsets[level, point].tolist()
                            value_there = bilinear(table, y * h + dy - 0.5, x * w + dx - 0.5)
                            total += weights[level, point] * value_there
                        start += h * w
                    mixed.append(total)
                torch.testing.assert_close(found[image, token],
                                           attention.output_proj(torch.cat(mixed)))

    def test_cells_are_shares_of_the_map(self):
        centres, size = cells(torch.zeros(1, 1, 2, 4))
        self.assertEqual([4.0, 2.0], size.tolist())
        self.assertEqual([0.125, 0.25], centres[0].tolist())
        self.assertEqual([0.875, 0.75], centres[-1].tolist())


def bilinear(table: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """Value at a real place; outside there is nothing."""
    total = torch.zeros(table.shape[2], dtype=table.dtype)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < table.shape[0] and 0 <= column < table.shape[1]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * table[row, column]
    return total


class Windows(unittest.TestCase):
    @torch.no_grad()
    def test_a_block_equals_a_direct_loop(self):
        for shift in (0, 2):
            block = random_weights(SwinBlock(6, 2, 4, shift))
            x = torch.randn(2, 5, 9, 6, dtype=torch.float64)
            found = block(x, shift_mask(x, 4))
            for image in range(2):
                expected = block_by_hand(block, x[image], shift)
                torch.testing.assert_close(found[image], expected)

    def test_windows_and_back(self):
        x = torch.randn(2, 8, 12, 3)
        windows = to_windows(x, 4)
        self.assertEqual((12, 16, 3), windows.shape)
        torch.testing.assert_close(windows[4].view(4, 4, 3), x[0, 4:8, 4:8])
        torch.testing.assert_close(from_windows(windows, 4, x.shape), x)

    def test_the_shift_mask_parts_only_what_came_round(self):
        mask = shift_mask(torch.zeros(1, 8, 12, 1), 4)
        self.assertEqual((6, 16, 16), mask.shape)
        torch.testing.assert_close(mask, mask.transpose(1, 2))
        self.assertEqual({0.0, APART}, set(mask.unique().tolist()))
        # A window within the image.
        self.assertEqual(0, mask[0].abs().sum())
        # The last row of windows has two parts.
        self.assertEqual(16 * 8, (mask[1 * 3] == APART).sum())
        self.assertEqual(16 * 12, (mask[-1] == APART).sum())                  # the corner has four

    def test_the_index_depends_on_the_relative_place_only(self):
        index = relative_index(3)
        self.assertEqual((9, 9), index.shape)
        self.assertEqual(25, len(index.unique()))
        self.assertEqual(1, len(index.diagonal().unique()))
        self.assertEqual(index[0, 4], index[4, 8])                            # one down, one right

    def test_a_stage_takes_odd_sizes(self):
        stage = SwinStage(8, 2, 2, 4, last=False).eval()
        self.assertEqual((1, 3, 5, 16), stage.downsample(stage(torch.randn(1, 5, 9, 8))).shape)


def block_by_hand(block: SwinBlock, x: torch.Tensor, shift: int) -> torch.Tensor:
    """One image [h,w,C]: every cell attends to the cells of its shifted window, those from the
    image's other side only with APART."""
    window, heads, (height, width, channels) = block.window, block.attn.heads, x.shape
    rows, columns = (-(-side // window) * window for side in (height, width))
    normed = torch.zeros(rows, columns, channels, dtype=x.dtype)
    normed[:height, :width] = block.norm1(x)
    qkv = block.attn.qkv(normed).view(rows, columns, 3, heads, channels // heads)

    def place(index: int, size: int) -> tuple[int, int, int]:
        """Window, place within it, and whether the shift carried it round."""
        moved = (index - shift) % size
        return moved // window, moved % window, int(index < shift)

    def score(at: tuple[int, int], to: tuple[int, int], head: int) -> torch.Tensor:
        steps, apart = [], 0.0
        for a, b, size in zip(at, to, (rows, columns)):
            (_, own, round_a), (_, other, round_b) = place(a, size), place(b, size)
            steps.append(own - other + window - 1)
            if round_a != round_b:
                apart = APART
        bias = block.attn.relative_position_bias_table[steps[0] * (2 * window - 1) + steps[1], head]
        return (qkv[at][0, head] * (channels // heads) ** -0.5) @ qkv[to][1, head] + bias + apart

    out = x.clone()
    for row in range(height):
        for column in range(width):
            near = [(r, c) for r in range(rows) for c in range(columns) if place(r, rows)[0]
                    == place(row, rows)[0] and place(c, columns)[0] == place(column, columns)[0]]
            heard = []
            for head in range(heads):
                weight = torch.stack([score((row, column), other, head)
                                      for other in near]).softmax(0)
                heard.append(sum(w * qkv[other][2, head] for w, other in zip(weight, near)))
            out[row, column] += block.attn.proj(torch.cat(heard))
    return out + block.mlp.fc2(F.gelu(block.mlp.fc1(block.norm2(out))))


if __name__ == "__main__":
    unittest.main()
