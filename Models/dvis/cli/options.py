"""Argument types and options that several commands share, and what they load."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Callable

# Method -> mode of the models that are trained here; VITA stands behind the tracker of DVIS.
OWN_MODES = {"dvis": "offline", "genvis": "genvis", "vita": "vita-online",
             "refinevis": "refinevis"}


def up_to(highest: int) -> Callable[[str], int]:
    """Argument type: a whole number from 1 to `highest`."""
    def parse(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= highest:
            raise argparse.ArgumentTypeError(
                f"found {text}, expected a whole number from 1 to {highest}")
        return int(text)
    return parse


def share(text: str) -> float:
    """Argument type: a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number from 0 to 1")
    return value


def size(text: str) -> tuple[int, int]:
    """Argument type: HxW as shorter and longer side."""
    sides = text.lower().split("x")
    if len(sides) != 2:
        raise argparse.ArgumentTypeError(f"found {text}, expected HxW, such as 480x864")
    height, width = map(up_to(8192), sides)
    return min(height, width), max(height, width)


def add_model(command: argparse.ArgumentParser) -> None:
    """Options of commands that build a network."""
    command.add_argument("--size", choices=("small", "street"), default="small",
                         help="small: drawn shapes; street: real cameras")
    command.add_argument("--run", type=Path, default=None,
                         help="folder of the training (default: runs/SIZE)")


def build_model(arguments, mode: str = "offline"):
    """The network of the options, without weights; sets the default of --run."""
    from ..networks.model import build
    arguments.run = arguments.run or Path("runs") / arguments.size
    try:
        return build(arguments.size, mode)
    except ValueError as error:
        raise SystemExit(f"dvis {arguments.command}: {error}") from None


def load_stages(model, arguments) -> None:
    """Loads the weights of a model folder (--from), then all stages that the run has reached.

    A stage that is in neither passes on the output of the stage before it."""
    from ..training.refiner import start_from_tracker
    from ..training.stage import load_run
    from ..training.tracker import start_from_segmenter
    given = arguments.start is not None
    queried = given and load_weights(model, arguments.start, arguments.command)
    loaded = load_run(model, arguments.run) if not given or arguments.command == "export" else []
    if not given and "sem_seg_head" not in loaded:
        raise SystemExit(f"dvis {arguments.command}: '{arguments.run}' has no segmenter; "
                         "train it, or name a model folder with --from.")
    if model.tracker is not None and "tracker" not in loaded and not given:
        start_from_segmenter(model)
    if model.refiner is not None and "refiner" not in loaded and not given:
        start_from_tracker(model)
    if model.vita_module is not None and not queried and "vita_module" not in loaded:
        raise SystemExit(f"dvis {arguments.command}: neither '{arguments.run}' nor --from has "
                         f"video queries; train them with: dvis train {model.method}.")


def load_segmenter(model, arguments) -> None:
    """Loads the segmenter of a model folder (--from); an error ends the command with a sentence."""
    from ..checkpoints.weights import WeightsError
    from ..training import refinevis
    if arguments.start is None:
        raise SystemExit(f"dvis {arguments.command}: RefineVIS stands on a trained segmenter; "
                         "name its model folder with --from.")
    try:
        refinevis.load_segmenter(model, arguments.start)
    except WeightsError as error:
        raise SystemExit(f"dvis {arguments.command}: {error}") from None


def load_weights(model, folder: Path, command: str) -> bool:
    """Loads the weights file of a model folder; an error ends the command with a sentence.

    A folder without video queries gives the other parts of a model that has some. Returns whether
    it gave every part."""
    from ..checkpoints import weights
    path = folder / weights.NAME
    try:
        lacks = model.vita_module is not None and not weights.has_part(path, "vita_module")
        weights.load(model, path, "vita_module" if lacks else None)
        return not lacks
    except weights.WeightsError as error:
        raise SystemExit(f"dvis {command}: {error}") from None


def load_photographs(folders: list[Path] | None, part: str, command: str):
    """One part of the sets in `folders`; an error ends the command with a sentence."""
    from ..data.photos.photographs import Photographs
    if not folders:
        raise SystemExit(f"dvis {command}: the tier real needs --real FOLDER, "
                         "sets of annotated photographs")
    try:
        return Photographs.load(folders, part)
    except (ValueError, OSError) as error:
        raise SystemExit(f"dvis {command}: {error}") from None
