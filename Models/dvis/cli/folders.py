"""Commands that write model folders: export, import, quantise."""
from __future__ import annotations

import json
from pathlib import Path

from .options import (OWN_MODES, add_model, build_model, load_segmenter, load_stages, share, size,
                      up_to)


def add(commands) -> None:
    """Adds the commands to the subparsers."""
    _add_export(commands.add_parser(
        "export", help="the ONNX graphs, manifest and reference answers"))
    _add_import(commands.add_parser(
        "import", help="an official checkpoint as model folder: DVIS, MinVIS, VITA, GenVIS"))
    _add_quantise(commands.add_parser(
        "quantise", help="fp16 and int8 files beside the fp32 ones of a model folder"))


def _add_export(command) -> None:
    add_model(command)
    command.add_argument("--from", dest="start", type=Path, default=None,
                         help="weights of a model folder; stages of the run replace them")
    command.add_argument("--method", choices=tuple(OWN_MODES), default="dvis",
                         help="of the model; vita: behind the tracker of dvis; refinevis: on the "
                         "segmenter of --from, with the stage of the run")
    command.add_argument("--clip", type=up_to(64), default=1,
                         help="frames of a clip of genvis: 1 online, 3 semi-online")
    command.add_argument("--out", type=Path, required=True, help="the model folder, such as shapes")
    command.add_argument("--base", type=Path, default=None,
                         help="model folder: the graphs and weights that are equal there become "
                         "links to it (for methods on the segmenter of another model)")
    command.add_argument("--min-score", type=share, default=None,
                         help="class score from which a query is a detection, where the service's "
                         "configuration has none")
    command.add_argument("--start-score", type=share, default=None,
                         help="class score from which a detection starts a track, likewise")
    command.add_argument("--precision", choices=("fp32", "fp16", "int8"), default=None,
                         help="precision of the service, likewise; quantise writes the files")
    command.add_argument("--version", default="1.0.0")
    command.set_defaults(handler=_export)


def _export(arguments) -> None:
    try:
        from ..export.graphs import export
    except ImportError as error:
        raise _missing("export", error) from None
    from ..training.video import CLIPS
    if arguments.method == "refinevis":
        model, longest = _load_refinevis(arguments)
    else:
        from ..export.importing import MAX_WINDOW
        from ..training.refiner import LENGTH
        model = build_model(arguments, OWN_MODES[arguments.method])
        load_stages(model, arguments)
        longest = MAX_WINDOW if arguments.method == "vita" else LENGTH
    quality = {path.stem.removeprefix("quality-"): json.loads(path.read_text())
               for path in sorted(arguments.run.glob("quality-*.json"))}
    chosen = {"min_score": arguments.min_score, "start_score": arguments.start_score,
              "precision": arguments.precision}
    service = {name: value for name, value in chosen.items() if value is not None}
    export(model, arguments.out, arguments.version, quality, longest, service, arguments.clip,
           max(CLIPS), arguments.base)


def _load_refinevis(arguments) -> tuple:
    """The model, and the longest clip that it was trained with."""
    from ..training.refinevis import LENGTH
    from ..training.stage import load_average
    model = build_model(arguments, OWN_MODES["refinevis"])
    load_segmenter(model, arguments)
    path = arguments.run / "refinevis.pt"
    if not path.exists():
        raise SystemExit(f"dvis export: '{path}' is missing; train the stage refinevis first.")
    load_average(model.refinevis, path, "refinevis")
    return model, LENGTH


def _add_import(command) -> None:
    command.add_argument("--checkpoint", type=Path, required=True,
                         help="file of the official training; nothing in it is executed")
    command.add_argument("--arch", choices=("r50", "swin-l"), required=True)
    command.add_argument("--task", choices=("vis", "vps", "vss"), required=True)
    command.add_argument("--classes", type=Path, required=True,
                         help="one name per line in the order of training, "
                         "or a JSON list of {name, kind, color}")
    command.add_argument("--out", type=Path, required=True, help="the model folder")
    command.add_argument("--method", choices=("auto", "dvis", "minvis", "vita", "genvis"),
                         default="auto", help="what the checkpoint must be (default: what it is)")
    command.add_argument("--mode", choices=("auto", "offline", "online", "segmenter"),
                         default="auto", help="likewise, of DVIS; segmenter: MinVIS")
    command.add_argument("--clip", type=up_to(64), default=1,
                         help="frames of a clip of GenVIS: 1 online, 3 semi-online")
    command.add_argument("--input", type=size, default=None, metavar="HxW",
                         help="images are scaled into this size; short for the two sides")
    command.add_argument("--shorter-side", type=up_to(8192), default=None,
                         help="default: as the official configuration of arch and task")
    command.add_argument("--largest-side", type=up_to(8192), default=None)
    command.add_argument("--max-window", type=up_to(4096), default=1024,
                         help="longest clip that the refiner or VITA is given, in frames")
    command.add_argument("--object-score", type=share, default=None,
                         help="OBJECT_MASK_THRESHOLD of the official configuration (vps), if not "
                         "0.8")
    command.add_argument("--overlap", type=share, default=None,
                         help="OVERLAP_THRESHOLD of the official configuration (vps), if not 0.8")
    command.add_argument("--name", default=None)
    command.add_argument("--version", default="1.0.0")
    command.add_argument("--license", default="that of the checkpoint")
    command.set_defaults(handler=_import)


def _import(arguments) -> None:
    from ..checkpoints.checkpoint import CheckpointError
    try:
        from ..export.importing import Request, run
    except ImportError as error:
        raise _missing("import", error) from None
    if arguments.input and (arguments.shorter_side or arguments.largest_side):
        raise SystemExit("dvis import: give --input, or --shorter-side and --largest-side, "
                         "not both.")
    shorter, largest = arguments.input or (arguments.shorter_side, arguments.largest_side)
    request = Request(arguments.checkpoint, arguments.arch, arguments.task, arguments.classes,
                      arguments.out, arguments.method, arguments.mode, shorter, largest,
                      arguments.max_window, arguments.name, arguments.version, arguments.license,
                      arguments.object_score, arguments.overlap, arguments.clip)
    try:
        model, taken = run(request)
    except (CheckpointError, OSError) as error:
        raise SystemExit(f"dvis import: {error}") from None
    config = model.config
    kind = model.mode if model.method == "dvis" else model.method
    print(f"{arguments.out}: {config.name}, {kind}, {config.classes} classes, {taken}")


def _add_quantise(command) -> None:
    command.add_argument("--model", type=Path, required=True,
                         help="model folder with its fp32 graphs; its manifest is updated")
    command.add_argument("--precision", default="int8,fp16", help="some of int8,fp16")
    command.add_argument("--frames", type=Path, nargs="+", default=[],
                         help="images, folders of images or videos to calibrate with "
                         "(default: rendered scenes)")
    command.add_argument("--count", type=int, default=64,
                         help="images to calibrate with, spread evenly over what is given")
    command.add_argument("--int8-graphs", default="segmenter",
                         help="graphs that get an int8 file: "
                         "some of segmenter,tracker,frame_forward,refiner")
    command.add_argument("--keep", default=None,
                         help="regular expression of node names that stay float32 in the int8 "
                         "files (default: the queries' decoder of the segmenter)")
    command.set_defaults(handler=_quantise)


def _quantise(arguments) -> None:
    try:
        from ..export.calibrate import GRAPHS, quantise, read, scenes
    except ImportError as error:
        raise _missing("quantise", error) from None
    precisions, graphs = arguments.precision.split(","), arguments.int8_graphs.split(",")
    for name, allowed in [*((precision, ("int8", "fp16")) for precision in precisions),
                          *((graph, GRAPHS) for graph in graphs)]:
        if name not in allowed:
            raise SystemExit(f"'{name}' is none of {', '.join(allowed)}")
    try:
        images = (read(arguments.frames, arguments.count) if arguments.frames
                  else scenes(arguments.count))
        source = ", ".join(path.name for path in arguments.frames) or "rendered scenes"
        for path in quantise(arguments.model, precisions, images, source, graphs, arguments.keep):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    except (ValueError, OSError) as error:
        raise SystemExit(f"quantise: {error}") from None


def _missing(command: str, error: ImportError) -> SystemExit:
    return SystemExit(f"dvis {command}: needs the package onnx ({error}); "
                      "on Debian: apt-get install python3-onnx")
