"""Commands that make videos and data sets: render, sample, street, dataset."""
from __future__ import annotations

from pathlib import Path

# An evaluation seed: never trained on.
SAMPLE_TIER, SAMPLE_SEED, SAMPLE_FRAMES = "everyday", 14582, 350


def add(commands) -> None:
    """Adds the commands to the subparsers."""
    render = commands.add_parser("render", help="one scene as video and ground truth")
    render.add_argument("--tier", choices=("light", "everyday", "heavy"), default="everyday")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--frames", type=int, default=250)
    render.add_argument("--out", type=Path, required=True,
                        help="video file; the truth goes beside it as .json")
    render.set_defaults(handler=_render, networks=False)

    sample = commands.add_parser("sample", help="the shipped sample of drawn shapes")
    sample.add_argument("--out", type=Path, default=Path("../samples"))
    sample.set_defaults(handler=_sample, networks=False)

    street = commands.add_parser("street", help="the shipped sample composed of photographs")
    street.add_argument("--out", type=Path, default=Path("../samples"))
    street.add_argument("--root", type=Path, default=Path("/"),
                        help="folder into which the photographs' Debian packages are unpacked")
    street.set_defaults(handler=_street, networks=False)

    dataset = commands.add_parser(
        "dataset", help="unseen videos as a data set in the form of YouTube-VIS, "
        "every object rated by its occlusion")
    dataset.add_argument("--tiers", default="light,everyday,heavy", help="in turn")
    dataset.add_argument("--videos", type=int, default=60)
    dataset.add_argument("--frames", type=int, default=80)
    dataset.add_argument("--first-seed", type=int, default=300_000)
    dataset.add_argument("--out", type=Path, required=True,
                         help="folder for images/ and instances.json")
    dataset.set_defaults(handler=_dataset, networks=False)


def _render(arguments) -> None:
    _write_scene(arguments.tier, arguments.seed, arguments.frames, arguments.out)


def _sample(arguments) -> None:
    _write_scene(SAMPLE_TIER, SAMPLE_SEED, SAMPLE_FRAMES, arguments.out / "everyday.mp4")


def _write_scene(tier: str, seed: int, frames: int, video: Path) -> None:
    from ..data.drawn.scenes import make_scene
    from ..data.sample import HEIGHT, WIDTH, write
    from ..networks.config import SHAPES_MODEL_CLASSES
    scene = make_scene(tier, seed)
    drawn = (scene.frame(t, HEIGHT, WIDTH) for t in range(frames))
    write(drawn, scene.labels, SHAPES_MODEL_CLASSES, video, video.with_suffix(".json"))


def _street(arguments) -> None:
    from ..data.sample import write
    from ..data.street.outlined import PhotographError
    from ..data.street.street import Street
    video = arguments.out / "street.mp4"
    try:
        street = Street.load(root=arguments.root)
    except PhotographError as error:
        raise SystemExit(f"dvis street: {error}") from None
    composed = (street.frame(t) for t in range(street.frames))
    write(composed, street.labels, street.classes, video, video.with_suffix(".json"))


def _dataset(arguments) -> None:
    from ..data.dataset import write
    objects = write(arguments.out, arguments.tiers.split(","), arguments.videos, arguments.frames,
                    arguments.first_seed)
    print("objects by occlusion:", ", ".join(f"{count} {name}" for name, count in objects.items()))
