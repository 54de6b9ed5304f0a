"""Writes checkpoints whose weights anyone can compute again: python3 tests/make_fill_checkpoint.py
--out DIR [--online | --segmenter | --vita | --genvis] [--arch r50|swin-l] [--classes 25]

The file has the official names and the values that ../shared/data/cases/{dvis,vita,genvis}/fill.py
gives to them; these folders also hold what the official code answers with these weights. Beside it
comes classes.txt, so that both can go to `dvis import`.
"""
from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import context
import torch

from dvis.checkpoints.official import loss_weights
from dvis.networks.model import METHODS, build

ROOT = context.MODELS.parent.parent / "shared/data/cases"
CASES = ROOT / "dvis"


def fill_module(method: str) -> ModuleType:
    """The module `fill` of a method's reference answers."""
    folder = ROOT / method if method in ("vita", "genvis") else CASES
    specification = importlib.util.spec_from_file_location("fill", folder / "fill.py")
    fill = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(fill)
    return fill


def filled(arch: str = "r50", mode: str = "offline", classes: int = 25) -> dict[str, torch.Tensor]:
    """The state dict of the official checkpoint with the values of fill.py."""
    weight = torch.ones(classes + 1)
    weight[-1] = 0.1
    state = {**build(arch, mode, classes=classes).state_dict(),
             **{name: weight.clone() for name in loss_weights(METHODS[mode])}}
    return fill_module(METHODS[mode]).fill_state_dict(state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arch", choices=("r50", "swin-l"), default="r50")
    parser.add_argument("--classes", type=int, default=25)
    mode = parser.add_mutually_exclusive_group()
    for name in ("online", "segmenter", "vita", "genvis"):
        mode.add_argument(f"--{name}", action="store_const", dest="mode", const=name,
                          default="offline")
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
