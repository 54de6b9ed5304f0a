"""Answers of a whole video: which clip and frame each score and mask comes from."""
import unittest
from types import SimpleNamespace
from unittest import mock

import context  # noqa: F401
import numpy as np
import torch

from dvis.evaluation import videos

QUERIES, CLASSES, CHANNELS, FRAMES = 2, 3, 4, 45


class Clips(unittest.TestCase):
    """Frame t has the embedding t + 1; the refiner's scores name the first frame of its clip.

    The tracker claims class 0 in the first three frames."""

    def answers(self):
        embeds = torch.arange(1.0, FRAMES + 1)[:, None, None].expand(-1, QUERIES, CHANNELS)

        def segment(images):
            count = len(images)
            first = int(images[0, 0, 0, 0])
            return (embeds[first:first + count], torch.ones(count, CHANNELS, 1, 1),
                    torch.zeros(count, QUERIES, CLASSES + 1))

        def refine(instance, memory):
            torch.testing.assert_close(memory, instance + 100)
            clip = int(instance[0, 0, 0].item() - 1) // videos.WINDOW
            logits = torch.zeros(QUERIES, CLASSES + 1)
            logits[:, clip] = 4
            return logits, instance

        model = SimpleNamespace(
            segment=segment, normalise=lambda images: images, refiner=refine,
            tracker=SimpleNamespace(frame_forward=lambda embeds: embeds + 100))
        logits = torch.zeros(FRAMES, QUERIES, CLASSES + 1)
        logits[:3, :, 0] = 30
        steps = [SimpleNamespace(embeds=frame[None], mask_embeds=frame[None], logits=own[None])
                 for frame, own in zip(embeds, logits)]
        images = torch.arange(FRAMES)[:, None, None, None].expand(-1, 1, 1, 3)
        with mock.patch.object(videos, "track", lambda tracker, embeds: steps):
            return videos.run(model, images, ("tracker", "refiner"))

    def test_scores_of_a_frame_are_those_of_its_clip(self):
        scores, mean, masks = self.answers()["refiner"]
        self.assertEqual((FRAMES, QUERIES, CLASSES), scores.shape)
        np.testing.assert_array_equal([t // videos.WINDOW for t in range(FRAMES)],
                                      scores[:, 0].argmax(-1))
        # The mean of the clips' logits, 4/3 each, raised to the tracker's 2, 0, 0 where it is sure.
        each = torch.tensor([4 / 3, 4 / 3, 4 / 3, 0]).softmax(-1)[:3]
        online = torch.tensor([2.0, 0, 0, 0]).softmax(-1)[:3]
        self.assertGreater(online[0], each[0])
        np.testing.assert_allclose(mean, torch.maximum(each, online).expand(QUERIES, -1), rtol=1e-6)
        torch.testing.assert_close(masks[:, 0, 0, 0], CHANNELS * torch.arange(1.0, FRAMES + 1))

    def test_scores_of_the_tracker_are_its_own(self):
        scores, mean, masks = self.answers()["tracker"]
        np.testing.assert_allclose(scores[:3, :, 0], 1)
        np.testing.assert_allclose(scores[3:], 0.25)
        online = torch.tensor([2.0, 0, 0, 0]).softmax(-1)[:3]
        np.testing.assert_allclose(mean, online.expand(QUERIES, -1), rtol=1e-6)
        torch.testing.assert_close(masks[:, 1, 0, 0], CHANNELS * torch.arange(1.0, FRAMES + 1))


if __name__ == "__main__":
    unittest.main()
