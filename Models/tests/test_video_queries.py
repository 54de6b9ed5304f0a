"""VITA's and GenVIS's networks against their definition, written once more in plain loops."""
import unittest

import context  # noqa: F401
import torch
from tiny import TINY_R50

from dvis.networks.genvis import GenVis, follow, read
from dvis.networks.layers import Perceptron
from dvis.networks.vita import Vita, folded, in_groups, with_ones


def bounds(count: int, window: int, shift: int) -> list[range]:
    """Frames of each group: the first ends `window - shift` frames into the clip."""
    if not window:
        return [range(count)]
    ends = list(range(window - shift, count, window)) + [count]
    return [range(*pair) for pair in zip([0, *ends], ends)]


@torch.no_grad()
def encode_by_hand(module: Vita, frames: torch.Tensor) -> torch.Tensor:
    """Tokens of one video [T,fQ,C]: each group of each layer on its own."""
    x = module.input_proj_dec(frames)
    for layer, (attend, feed) in enumerate(zip(module.enc_self_attn, module.enc_ffn)):
        shift = -(-module.window // 2) if layer % 2 else 0
        parts = [x[group.start:group.stop] for group in bounds(len(x), module.window, shift)]
        x = torch.cat([feed(attend(part.flatten(0, 1)[None]))[0].reshape(part.shape)
                       for part in parts])
    return x


class Encoder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(0)
        cls.module = Vita(TINY_R50, 32).double().eval()

    @torch.no_grad()
    def test_padding_gives_what_groups_alone_give(self):
        for window in (0, 1, 2, 3, 5, 6):
            self.module.window = window
            for count in (1, 2, 3, 5, 6, 7, 9, 13, 17):
                frames = torch.randn(2, count, 5, 32, dtype=torch.float64)
                found = self.module.encode(frames)
                for row in range(2):
                    torch.testing.assert_close(found[row], encode_by_hand(self.module, frames[row]),
                                               rtol=1e-9, atol=1e-9)

    @torch.no_grad()
    def test_layers_reach_as_far_as_their_groups(self):
        """Frame 6 of a window of 6: group 6..11 in even layers, 3..8 in odd ones."""
        for shift, reached in ((0, range(6, 12)), (3, range(3, 9))):
            frames = torch.randn(1, 14, 5, 32, dtype=torch.float64)
            changed = frames.clone()
            changed[:, 6] += 1
            before, after = (in_groups(self.module.enc_self_attn[0], x, 6, shift)
                             for x in (frames, changed))
            moved = ((before - after).abs().amax((0, 2, 3)) > 1e-9).nonzero().flatten()
            self.assertEqual(list(reached), moved.tolist())


class Decoder(unittest.TestCase):
    @torch.no_grad()
    def test_frames_have_no_position_but_their_queries_have(self):
        torch.manual_seed(1)
        module = Vita(TINY_R50, 32).double().eval()
        tokens = torch.randn(1, 4, 5, 32, dtype=torch.float64)
        start = module.query_feat.weight[None]
        plain = module.decode(start, tokens)[-1]
        torch.testing.assert_close(plain, module.decode(start, tokens[:, [2, 0, 3, 1]])[-1])
        other = module.decode(start, tokens[:, :, [1, 0, 2, 3, 4]])[-1]
        self.assertGreater(float((plain - other).abs().max()), 1e-3)


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(2)
        cls.module = GenVis(TINY_R50, 32).double().eval()

    @torch.no_grad()
    def test_a_slot_reads_its_own_past_by_plain_products(self):
        key, keys, values = (torch.randn(*shape, dtype=torch.float64)
                             for shape in ((1, 4, 32), (1, 3, 4, 32), (1, 3, 4, 32)))
        for slot in range(4):
            score = torch.stack([key[0, slot] @ keys[0, clip, slot] for clip in range(3)])
            share = score.exp() / score.exp().sum()
            expected = sum(share[clip] * values[0, clip, slot] for clip in range(3))
            torch.testing.assert_close(read(key, keys, values)[0, slot], expected)

    @torch.no_grad()
    def test_the_carried_query_is_raw_and_the_memory_normed(self):
        frames = torch.randn(1, 5, 5, 32, dtype=torch.float64)
        first, second, _ = follow(self.module, frames, 2)
        module = self.module
        torch.testing.assert_close(first.embeds, module.decoder_norm(first.reference))
        torch.testing.assert_close(first.memory_value, module.pre_memory_embed_v(first.embeds))
        torch.testing.assert_close(first.read_key, module.pre_query_embed_k(first.reference))
        # One past clip: its weight is 1.
        query = first.reference + module.pre_query_embed_v(first.reference) + first.memory_value
        again = module.decode(query, module.encode(frames[:, 2:4]))[-1]
        torch.testing.assert_close(second.reference, again)
        start = module.query_feat.weight
        torch.testing.assert_close(module.first_query(), start + module.pre_query_embed_v(start))

    @torch.no_grad()
    def test_streams_of_a_batch_do_not_touch_each_other(self):
        frames = torch.randn(3, 4, 5, 32, dtype=torch.float64)
        together = follow(self.module, frames, 2)
        for row in range(3):
            for one, other in zip(together, follow(self.module, frames[row:row + 1], 2)):
                torch.testing.assert_close(one.reference[row:row + 1], other.reference)


class SharedMap(unittest.TestCase):
    @torch.no_grad()
    def test_a_folded_head_gives_the_same_masks_on_the_map_below(self):
        torch.manual_seed(3)
        head, features = Perceptron(32, 24), torch.nn.Conv2d(40, 24, 1)
        embeds, fine = torch.randn(2, 5, 32), torch.randn(2, 40, 6, 7)
        expected = head(embeds) @ features(fine).flatten(2)
        found = folded(head, features)(embeds) @ with_ones(fine).flatten(2)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    unittest.main()
