"""The official architectures, small enough for tests.

python3 tests/tiny.py --method genvis|vita --out DIR writes a model folder of random weights, whose
graphs have the contract of real ones, for tests of the service: the same folder each time.
"""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import context  # noqa: F401
import torch

from dvis.export.manifest import About, ClassLabel, colour
from dvis.networks.config import SIZES

_SMALL = dict(classes=3, queries=5, hidden=32, mask_channels=32, heads=4, feedforward=48,
              decoder_layers=3, tracker_layers=1, refiner_layers=1, pixel_layers=1,
              pixel_feedforward=40, clip_queries=4, vita_encoder_layers=2, vita_decoder_layers=2)
TINY_R50 = replace(SIZES["r50"], backbone_widths=(32, 40, 48, 72), backbone_blocks=(2, 1, 1, 1),
                   **_SMALL)
TINY_SWIN = replace(SIZES["swin-l"], backbone_widths=(8, 16, 32, 64), backbone_blocks=(2, 1, 1, 1),
                    backbone_heads=(1, 2, 2, 4), backbone_window=3, **_SMALL)
ABOUT = About("tiny", "1.0.0", "vis", tuple(ClassLabel(name, "thing", colour(index))
                                            for index, name in enumerate("abc")),
              "aligned", 64, 128, 24, "MIT", "random weights", domain="rendered", clip=3)


def main() -> None:
    from dvis.export.graphs import write_folder
    from dvis.networks.model import Dvis
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=("genvis", "vita"), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clip", type=int, default=3, help="frames of a clip of GenVIS")
    arguments = parser.parse_args()
    torch.manual_seed(13)
    model = Dvis(TINY_R50, arguments.method).eval()
    about = replace(ABOUT, name=f"tiny-{arguments.method}", clip=arguments.clip)
    write_folder(model, arguments.out, about)


if __name__ == "__main__":
    main()
