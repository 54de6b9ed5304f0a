"""Writes checkpoints whose weights anyone can compute again: python3 tests/make_fill_checkpoint.py
--out DIR [--online | --segmenter] [--arch r50|swin-l] [--classes 25]

The file has the official names and the values that ../shared/data/cases/dvis/fill.py gives to them;
that folder also holds what the official code answers with these weights. Beside it comes
classes.txt, so that both can go to `dvis import`.
"""
from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import context
import torch

from dvis.checkpoints.official import LOSS_WEIGHT
from dvis.networks.model import build

CASES = context.MODELS.parent.parent / "shared/data/cases/dvis"


def filled(arch: str = "r50", mode: str = "offline", classes: int = 25) -> dict[str, torch.Tensor]:
    """The state dict of the official checkpoint with the values of fill.py."""
    specification = importlib.util.spec_from_file_location("fill", CASES / "fill.py")
    fill = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(fill)
    weight = torch.ones(classes + 1)
    weight[-1] = 0.1
    return fill.fill_state_dict({**build(arch, mode, classes=classes).state_dict(),
                                 LOSS_WEIGHT: weight})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arch", choices=("r50", "swin-l"), default="r50")
    parser.add_argument("--classes", type=int, default=25)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--online", action="store_const", dest="mode", const="online",
                      default="offline")
    mode.add_argument("--segmenter", action="store_const", dest="mode", const="segmenter")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"fill_{arguments.arch}_{arguments.mode}.pth"
    torch.save({"model": filled(arguments.arch, arguments.mode, arguments.classes), "iteration": 0},
               path)
    (arguments.out
     / "classes.txt").write_text("".join(f"c{index}\n" for index in range(arguments.classes)))
    print(path)


if __name__ == "__main__":
    main()
