"""Commands that evaluate a model: eval, coco, ties, overlays."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from .options import OWN_MODES, add_model, build_model, load_photographs, load_stages, share, up_to


def add(commands) -> None:
    """Adds the commands to the subparsers."""
    _add_eval(commands.add_parser("eval", help="quality on unseen videos"))
    _add_coco(commands.add_parser(
        "coco", help="detection on annotated photographs: AP, precision, duplicates"))
    _add_ties(commands.add_parser(
        "ties", help="how well VITA's video queries are tied to the slots of a tracker"))
    _add_overlays(commands.add_parser(
        "overlays", help="sheets of video frames with the tracks of a model on them"))


def _add_eval(command) -> None:
    add_model(command)
    command.add_argument("--from", dest="start", type=Path, default=None,
                         help="weights of a model folder of the same size instead of a run")
    command.add_argument("--tier", choices=("light", "everyday", "heavy", "real"),
                         default="everyday", help="real: clips made of held-out photographs")
    command.add_argument("--videos", type=int, default=100)
    command.add_argument("--frames", type=int, default=40)
    command.add_argument("--first-seed", type=int, default=100_000)
    command.add_argument("--real", type=Path, nargs="+", action="extend", default=None,
                         metavar="FOLDER",
                         help="sets of annotated photographs: every video with held-out "
                         "cut-outs, or of held-out photographs (--tier real)")
    command.add_argument("--columns", default=None, help="some of minvis,tracker,refiner")
    command.add_argument("--out", type=Path, default=None,
                         help="JSON file with the numbers (default: quality-TIER.json in the run)")
    command.set_defaults(handler=_eval)


def _eval(arguments) -> None:
    from ..evaluation.videos import COLUMNS, evaluate, table
    from ..training.stage import device
    model = build_model(arguments)
    load_stages(model, arguments)
    model.to(device())
    extras, photographs, name = None, None, arguments.tier
    if arguments.tier == "real":
        photographs = load_photographs(arguments.real, "val", "eval")
    elif arguments.real is not None:
        from ..data.drawn.cutouts import Cutouts
        extras = replace(Cutouts.load(arguments.real, held_out=True), share=1.0)
        name = f"{arguments.tier}-real"
    columns = tuple(arguments.columns.split(",")) if arguments.columns else COLUMNS
    numbers = evaluate(model, arguments.tier, arguments.videos, arguments.frames,
                       arguments.first_seed, extras, columns, photographs)
    print(table(numbers))
    if arguments.out or arguments.start is None:
        path = arguments.out or arguments.run / f"quality-{name}.json"
        path.write_text(json.dumps(numbers, indent=2) + "\n")


def _add_ties(command) -> None:
    add_model(command)
    command.add_argument("--from", dest="start", type=Path, default=None,
                         help="weights of a model folder of VITA instead of a run")
    command.add_argument("--tier", choices=("light", "everyday", "heavy"), default="everyday")
    command.add_argument("--videos", type=int, default=60)
    command.add_argument("--frames", type=int, default=80)
    command.set_defaults(handler=_ties)


def _ties(arguments) -> None:
    from ..evaluation.ties import count, table
    model = build_model(arguments, OWN_MODES["vita"])
    load_stages(model, arguments)
    print(table(count(model, arguments.tier, arguments.videos, arguments.frames)))


def _add_coco(command) -> None:
    add_model(command)
    source = command.add_mutually_exclusive_group()
    source.add_argument("--from", dest="start", type=Path, default=None,
                        help="weights of a model folder instead of a run")
    source.add_argument("--model", type=Path, default=None,
                        help="graphs of a model folder instead, read with python3-onnx")
    source.add_argument("--results", type=Path, default=None,
                        help="predictions from a file instead: COCO results, "
                        "or COCO format with scores")
    command.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32",
                         help="of the model folder's segmenter")
    command.add_argument("--data", type=Path, nargs="+", required=True,
                         help="sets of annotated photographs (instances.json in COCO format), "
                         "or folders of sets")
    command.add_argument("--part", choices=("train", "val"), default="val")
    command.add_argument("--coco-split", default=None,
                         help="only images of COCO's val2017 or train2017: networks pretrained "
                         "on COCO have seen train2017")
    command.add_argument("--smallest", type=float, default=0.0,
                         help="objects of fewer pixels are neither right nor wrong")
    command.add_argument("--score", type=share, default=0.5, help="from which masks are published")
    command.add_argument("--out", type=Path, default=None, help="JSON file with the numbers")
    command.set_defaults(handler=_coco)


def _coco(arguments) -> None:
    from ..evaluation.detection import evaluate_photographs, table
    photographs = load_photographs(arguments.data, arguments.part, "coco")
    try:
        numbers = evaluate_photographs(photographs, _predictor(arguments, photographs),
                                       arguments.score, arguments.smallest, arguments.coco_split)
    except ImportError as error:
        raise SystemExit(f"dvis coco: --model needs the package onnx ({error}); "
                         "on Debian: apt-get install python3-onnx") from None
    except (ValueError, OSError) as error:
        raise SystemExit(f"dvis coco: {error}") from None
    print(table(numbers))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(numbers, indent=2) + "\n")


def _predictor(arguments, photographs):
    """Predictions of a results file, of the graphs of a model folder, or of a run."""
    from ..evaluation.detection import on_images
    from ..evaluation.predicting import of_folder, of_model, of_results
    from ..training.stage import device
    if arguments.results is not None:
        return of_results(arguments.results, photographs)
    if arguments.model is not None:
        return on_images(of_folder(arguments.model, arguments.precision))
    model = build_model(arguments).eval()
    load_stages(model, arguments)
    return on_images(of_model(model.to(device())))


def _add_overlays(command) -> None:
    add_model(command)
    command.add_argument("--from", dest="start", type=Path, default=None,
                         help="weights of a model folder of the same size instead of a run")
    command.add_argument("--videos", type=Path, nargs="+", required=True)
    command.add_argument("--every", type=up_to(1000), default=5,
                         help="every n-th frame goes through the tracker")
    command.add_argument("--shown", type=up_to(100), default=9, help="frames per sheet")
    command.add_argument("--score", type=share, default=0.3, help="from which tracks are drawn")
    command.add_argument("--out", type=Path, required=True, help="folder for VIDEO.png")
    command.set_defaults(handler=_overlays)


def _overlays(arguments) -> None:
    from ..evaluation.overlays import sheet
    model = build_model(arguments)
    load_stages(model, arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for video in arguments.videos:
        try:
            image = sheet(model.eval(), video, arguments.every, arguments.shown, arguments.score)
        except ValueError as error:
            raise SystemExit(f"dvis overlays: {error}") from None
        image.save(arguments.out / f"{video.stem}.png")
        print(arguments.out / f"{video.stem}.png")
