"""Command line: python3 -m dvis train segmenter --minutes 60 --run runs/small"""
from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .model import build


def main() -> None:
    parser = argparse.ArgumentParser(prog="dvis", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("stage", choices=("segmenter", "tracker", "refiner"))
    train.add_argument("--minutes", type=float, required=True)
    train.add_argument("--run", type=Path, default=Path("runs/small"))
    train.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.command == "train":
        from .train_segmenter import train as train_segmenter
        train_segmenter(build(), arguments.run, arguments.minutes, arguments.seed)


if __name__ == "__main__":
    main()
