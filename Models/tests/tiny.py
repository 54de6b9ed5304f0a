"""The official architectures, small enough for tests."""
from dataclasses import replace

import context  # noqa: F401

from dvis.networks.config import SIZES

_SMALL = dict(classes=3, queries=5, hidden=32, mask_channels=32, heads=4, feedforward=48,
              decoder_layers=3, tracker_layers=1, refiner_layers=1, pixel_layers=1,
              pixel_feedforward=40)
TINY_R50 = replace(SIZES["r50"], backbone_widths=(32, 40, 48, 72), backbone_blocks=(2, 1, 1, 1),
                   **_SMALL)
TINY_SWIN = replace(SIZES["swin-l"], backbone_widths=(8, 16, 32, 64), backbone_blocks=(2, 1, 1, 1),
                    backbone_heads=(1, 2, 2, 4), backbone_window=3, **_SMALL)
