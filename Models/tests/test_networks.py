"""The networks against straightforward re-writes: one query, one frame at a time, with PyTorch's
own attention."""
import itertools
import unittest
from dataclasses import replace

import context  # noqa: F401
import numpy as np
import torch
from torch import nn

from dvis.networks.config import SIZES
from dvis.networks.layers import sine_position
from dvis.networks.model import Dvis
from dvis.networks.refiner import replicate
from dvis.networks.segmenter import attention_mask
from dvis.networks.tracker import align, match, track

TINY = replace(SIZES["small"], queries=5, hidden=32, mask_channels=8, feedforward=48,
               backbone_widths=(8, 16, 16, 16), backbone_blocks=(1, 1, 1, 1), remembers=False)


def tiny() -> Dvis:
    torch.manual_seed(0)
    model = Dvis(TINY).double().eval()
    for parameter in model.parameters():  # biases too, so that every term matters
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def attend(ours, query, memory):
    """PyTorch's attention with our weights, [N,C] and [M,C]."""
    theirs = nn.MultiheadAttention(query.shape[-1], ours.heads).double()
    theirs.load_state_dict(ours.state_dict())
    return theirs(query[:, None], memory[:, None], memory[:, None], need_weights=False)[0][:, 0]


def step_by_hand(tracker, frame, matched, last):
    """One stream, as in the paper: `last` is None in the first frame."""
    layers = zip(tracker.transformer_cross_attention_layers,
                 tracker.transformer_self_attention_layers, tracker.transformer_ffn_layers)
    output = frame if last is None else matched
    for cross, among, feed in layers:
        query = output if last is None else last
        output = cross.norm(output + attend(cross.multihead_attn, query, frame))
        output = among.norm(output + attend(among.self_attn, output, output))
        output = feed.norm(output + feed.linear2(torch.relu(feed.linear1(output))))
    return output


@torch.no_grad()
def refine_by_hand(refiner, instance, memory):
    x = instance
    for i in range(len(refiner.conv_norms)):
        time, among, cross, feed = (layers[i] for layers in (
            refiner.transformer_time_self_attention_layers,
            refiner.transformer_obj_self_attention_layers,
            refiner.transformer_cross_attention_layers, refiner.transformer_ffn_layers))
        x = torch.stack([time.norm(x[:, q] + attend(time.self_attn, x[:, q], x[:, q]))
                         for q in range(x.shape[1])], 1)
        first, _, second = refiner.conv_short_aggregate_layers[i]
        pad = lambda y, n: nn.functional.pad(y, (n, n), mode="replicate")
        y = second(pad(torch.relu(first(pad(x.permute(1, 2, 0), 2))), 1)).permute(2, 0, 1)
        x = refiner.conv_norms[i](x + y)
        x = torch.stack([among.norm(frame + attend(among.self_attn, frame, frame)) for frame in x])
        x = torch.stack([cross.norm(frame + attend(cross.multihead_attn, frame, own))
                         for frame, own in zip(x, memory)])
        x = feed.norm(x + feed.linear2(torch.relu(feed.linear1(x))))
    x = refiner.decoder_norm(x)
    weight = torch.softmax(refiner.activation_proj(x)[..., 0], 0)
    return refiner.class_embed(torch.einsum("tq,tqc->qc", weight, x)), refiner.mask_embed(x)


class Tracker(unittest.TestCase):
    @torch.no_grad()
    def test_a_step_equals_the_paper_for_new_and_running_streams_in_one_batch(self):
        model = tiny()
        frame, matched, last = (torch.randn(2, 5, 32, dtype=torch.float64) for _ in range(3))
        step = model.tracker(frame, matched, last, torch.tensor([1.0, 0.0], dtype=torch.float64))
        torch.testing.assert_close(step.reference[0],
                                   step_by_hand(model.tracker, frame[0], matched[0], None))
        torch.testing.assert_close(step.reference[1],
                                   step_by_hand(model.tracker, frame[1], matched[1], last[1]))
        torch.testing.assert_close(step.embeds, model.tracker.decoder_norm(step.reference))

    @torch.no_grad()
    def test_a_slot_that_remembers_keeps_its_reference_as_far_as_it_has_no_object(self):
        model = tiny()
        frame, matched, last = (torch.randn(2, 5, 32, dtype=torch.float64) for _ in range(3))
        first = torch.tensor([1.0, 0.0], dtype=torch.float64)
        forgets = model.tracker(frame, matched, last, first)
        model.tracker.remembers = True
        step = model.tracker(frame, matched, last, first)
        absent = torch.softmax(step.logits, -1)[1, :, -1:]
        torch.testing.assert_close(step.reference[0], forgets.reference[0])
        torch.testing.assert_close(step.reference[1],
                                   (1 - absent) * forgets.reference[1] + absent * last[1])
        torch.testing.assert_close(step.embeds, forgets.embeds)

    @torch.no_grad()
    def test_frame_forward_is_the_first_frame_of_every_frame(self):
        model = tiny()
        frames = torch.randn(3, 5, 32, dtype=torch.float64)
        steps = [step_by_hand(model.tracker, frame, None, None) for frame in frames]
        own = torch.stack([model.tracker.decoder_norm(step) for step in steps])
        torch.testing.assert_close(model.tracker.frame_forward(frames), own)

    @torch.no_grad()
    def test_a_stream_frame_by_frame_equals_the_clip(self):
        model = tiny()
        frames = torch.randn(6, 5, 32, dtype=torch.float64)
        clip = track(model.tracker, frames)
        last_matched = last = None
        for t, frame in enumerate(frames):
            matched = frame if last is None else frame[match(last_matched.numpy(), frame.numpy())]
            last = step_by_hand(model.tracker, frame, matched, last)
            last_matched = matched
            torch.testing.assert_close(clip[t].reference[0], last, rtol=1e-6, atol=1e-6)

    def test_matching_finds_the_best_permutation_and_the_right_direction(self):
        random = np.random.default_rng(1)
        last = random.standard_normal((5, 8))
        shuffle = np.array([2, 0, 1, 4, 3])              # not its own inverse
        current = last[shuffle] * 3 + 0.01 * random.standard_normal((5, 8))
        np.testing.assert_allclose(current[match(last, current)] / 3, last, atol=0.05)
        unrelated = random.standard_normal((5, 8))
        unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
        cost = 1 - unit(last) @ unit(unrelated).T
        best = min(itertools.permutations(range(5)),
                   key=lambda order: sum(cost[slot, query] for slot, query in enumerate(order)))
        np.testing.assert_array_equal(best, match(last, unrelated))

    def test_aligning_undoes_shuffles_over_a_clip(self):
        random = np.random.default_rng(2)
        objects = random.standard_normal((5, 8))
        orders = [np.arange(5), *(random.permutation(5) for _ in range(4))]
        frames = np.stack([objects[order] for order in orders])
        order = align(frames)
        for t in range(5):
            np.testing.assert_array_equal(objects, frames[t][order[t]])


class Refiner(unittest.TestCase):
    @torch.no_grad()
    def test_equals_the_paper_for_any_length_also_one_frame(self):
        model = tiny()
        for frames in (1, 2, 7):
            instance, memory = (torch.randn(frames, 5, 32, dtype=torch.float64) for _ in range(2))
            for ours, theirs in zip(model.refiner(instance, memory),
                                    refine_by_hand(model.refiner, instance, memory)):
                torch.testing.assert_close(ours, theirs)

    @torch.no_grad()
    def test_clips_of_a_batch_do_not_touch_each_other(self):
        model = tiny()
        instance, memory = (torch.randn(4, 3, 5, 32, dtype=torch.float64) for _ in range(2))
        logits, masks = model.refiner.heads(model.refiner.layers(instance, memory)[-1])
        for b in range(3):
            alone = model.refiner(instance[:, b], memory[:, b])
            torch.testing.assert_close(logits[b], alone[0])
            torch.testing.assert_close(masks[:, b], alone[1])

    @torch.no_grad()
    def test_where_scores_are_qualities_surer_frames_have_more_weight(self):
        refiner = tiny().refiner
        refiner.activation_proj.weight.zero_()
        plain, sure = torch.randn(2, 1, 1, 32, dtype=torch.float64)
        logits = refiner.class_embed(refiner.decoder_norm(torch.stack((plain, sure))))
        odds = logits[..., :-1].amax(-1) - logits[..., -1]
        first, second = (plain, sure) if odds[0] < odds[1] else (sure, plain)
        pair = torch.stack((first, second))
        even = refiner.frame_weight(refiner.decoder_norm(pair)).softmax(0)
        torch.testing.assert_close(even, torch.full_like(even, 0.5))
        refiner.scores_quality = True
        weight = refiner.frame_weight(refiner.decoder_norm(pair)).softmax(0)[..., 0, 0]
        gap = (odds[0] - odds[1]).abs().squeeze()
        torch.testing.assert_close((weight[1] / weight[0]).squeeze(), torch.exp(2 * gap))

    def test_padding_replicates(self):
        self.assertEqual([1, 1, 1, 2, 3, 3, 3], replicate(torch.tensor([[1, 2, 3]]), 2)[0].tolist())


class Segmenter(unittest.TestCase):
    @torch.no_grad()
    def test_what_is_exported_equals_the_last_layer_in_training(self):
        model = tiny()
        image = torch.randn(2, 3, 64, 96, dtype=torch.float64)
        embeds, features, logits = model.segment(image)
        levels, mask_features, _ = model.sem_seg_head.pixel_decoder(model.backbone(image))
        last = model.sem_seg_head.predictor(levels, mask_features)[-1]
        self.assertEqual(((2, 5, 32), (2, 8, 16, 24), (2, 5, TINY.classes + 1)),
                         (embeds.shape, features.shape, logits.shape))
        torch.testing.assert_close(embeds, last.embeds)
        torch.testing.assert_close(logits, last.logits)

    @torch.no_grad()
    def test_further_groups_of_queries_leave_the_first_alone(self):
        model = tiny()
        levels, mask_features, _ = model.sem_seg_head.pixel_decoder(
            model.backbone(torch.randn(1, 3, 64, 64, dtype=torch.float64)))
        predictor = model.sem_seg_head.predictor
        alone = predictor(levels, mask_features)[-1]
        extra = (torch.randn(10, 32, dtype=torch.float64), torch.randn(10, 32, dtype=torch.float64))
        torch.testing.assert_close(predictor(levels, mask_features, extra)[-1].embeds[:, :5],
                                   alone.embeds)

    def test_a_query_that_sees_nothing_sees_everything(self):
        masks = torch.full((1, 2, 8, 8), -1.0)
        masks[0, 1, :4] = 1
        blocked = attention_mask(masks, 4)
        self.assertEqual([[0, 0, 0, 0], [0, 0, 1, 1]], blocked[0].tolist())

    def test_position_counts_rows_and_columns_to_two_pi(self):
        position = sine_position(torch.zeros(1, 8, 2, 4, dtype=torch.float64))[0].view(2, 4, 8)
        # Row 1 of 2.
        np.testing.assert_allclose(position[0, :, 0], np.sin(np.pi), atol=1e-5)
        # Column 1 of 4.
        np.testing.assert_allclose(position[:, 0, 5], np.cos(np.pi / 2), atol=1e-5)
        np.testing.assert_allclose(position[1, 3, 2], np.sin(2 * np.pi / 100), atol=1e-5)


if __name__ == "__main__":
    unittest.main()
