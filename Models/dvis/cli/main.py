"""Command line of the models: python3 -m dvis COMMAND --help (run it in Models/).

Handlers import what they need when they run: rendering works without torch, and help is quick.
"""
from __future__ import annotations

import argparse

from . import folders, quality, training, videos


def main() -> None:
    """Parses the command line and runs its command."""
    parser = argparse.ArgumentParser(prog="dvis", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.set_defaults(networks=True)
    commands = parser.add_subparsers(dest="command", required=True)
    for group in (videos, training, quality, folders):
        group.add(commands)
    arguments = parser.parse_args()
    if arguments.networks:
        import torch
        torch.set_num_threads(arguments.threads)
    arguments.handler(arguments)
