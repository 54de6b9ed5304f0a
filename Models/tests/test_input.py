import unittest
from dataclasses import replace

import context  # noqa: F401
import numpy as np

from dvis.networks.config import SIZES
from dvis.networks.input import InputRule


class Input(unittest.TestCase):
    RULE = InputRule(64, 128, (10.0, 20.0, 30.0), (2.0, 2.0, 2.0))

    def test_the_shorter_side_is_reached_unless_the_longer_one_grows_too_long(self):
        sizes = ((240, 320), (320, 240), (100, 300))
        self.assertEqual([(64, 85), (85, 64), (43, 128)],
                         [self.RULE.resized(*size) for size in sizes])

    def test_a_frame_is_resized_normalised_and_padded_with_zeros(self):
        fitted = self.RULE.fit(np.zeros((240, 320, 3), np.uint8) + np.uint8([12, 24, 26]))
        self.assertEqual((1, 3, 64, 96), tuple(fitted.shape))
        for plane, value in zip(fitted[0], (1.0, 2.0, -2.0)):
            self.assertTrue((plane[:, :85] == value).all() and (plane[:, 85:] == 0).all())

    def test_blue_first_takes_the_mean_of_the_plane(self):
        """As in the service: `mean` and `std` are those of the input's planes in their order."""
        frame = np.zeros((64, 96, 3), np.uint8) + np.uint8([30, 20, 10])
        fitted = replace(self.RULE, channel_order="bgr").fit(frame)
        self.assertEqual(0.0, float(fitted.abs().max()))

    def test_a_graph_of_one_size_gets_it(self):
        fitted = replace(self.RULE, fixed=(64, 80)).fit(np.full((240, 320, 3), 255, np.uint8))
        self.assertEqual((1, 3, 64, 80), tuple(fitted.shape))
        self.assertTrue((fitted != 0).all())

    def test_models_and_manifests_give_the_same_rule(self):
        config = SIZES["street"]
        entry = {"shorter_side": config.shorter_side, "largest_side": config.largest_side,
                 "divisor": 32, "mean": config.mean, "std": config.std, "channel_order": "rgb"}
        self.assertEqual(InputRule.of(config), InputRule.read(entry))


if __name__ == "__main__":
    unittest.main()
