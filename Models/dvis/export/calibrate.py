"""Calibration of a model folder's graphs on images, and their int8 and fp16 files.

Needs the `onnx` package (Debian: python3-onnx).
"""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from torch import Tensor

from ..data.video import count_frames, decode
from ..networks.input import InputRule
from ..networks.tracker import match
from .interpreter import Interpreter
from .quantise import Plan, best_range, half, int8
from .storage import load, store_half

GRAPHS = ("segmenter", "tracker", "frame_forward", "refiner")
IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
# Of the segmenter, the queries' decoder and the detector's answers stay float: they are a small
# part of the work, and rounding moves masks over their threshold and boxes off their objects.
KEEP = {"segmenter": r"^(/sem_seg_head)?"
                     r"/(transformer_|mask_embed|class_embed|content|where|position|out\.)"}
SAMPLES = 5_000       # values kept of a tensor a run
SEARCHED = 100_000    # values that decide a range


class Observer:
    """Statistics of the tensors of one graph.

    They are the extremes of all tensors, and a sample of the values of some."""

    def __init__(self, sampled: set[str]):
        self.extremes: dict[str, tuple[float, float]] = {}
        self.samples: dict[str, list[np.ndarray]] = {name: [] for name in sampled}

    def __call__(self, name: str, value: Tensor) -> None:
        if value.dtype != torch.float32 or value.numel() == 0:
            return
        low, high = self.extremes.get(name, (np.inf, -np.inf))
        self.extremes[name] = (min(low, float(value.min())), max(high, float(value.max())))
        if name in self.samples:
            flat = value.reshape(-1)
            # An odd step shares no factor with most side lengths, so that all columns and channels
            # are seen.
            step = max(1, flat.numel() // SAMPLES) | 1
            self.samples[name].append(flat[::step].numpy().copy())

    def peaks(self) -> dict[str, float]:
        return {name: max(-low, high) for name, (low, high) in self.extremes.items()}

    def ranges(self) -> dict[str, tuple[float, float]]:
        result = {}
        for name, parts in self.samples.items():
            if not parts:
                raise ValueError(f"calibration never reached the tensor '{name}'")
            values = np.concatenate(parts)
            result[name] = best_range(values[:: max(1, len(values) // SEARCHED)],
                                      *self.extremes[name])
        return result


def quantise(folder: Path, precisions: list[str], images: list[np.ndarray], source: str,
             int8_graphs: list[str], keep: str | None = None) -> list[Path]:
    """Writes GRAPH.fp16.onnx for every graph and GRAPH.int8.onnx for those in `int8_graphs`.

    The files are entered in the manifest. `keep`: node names that stay float in int8 files, as a
    regular expression; None: KEEP, which follows measurements. Figures of loss that the manifest
    had for these precisions are removed: they belonged to other files."""
    manifest = json.loads((folder / "manifest.json").read_text())
    models = {name: load(folder / files["fp32"]["path"])
              for name, files in manifest["files"].items() if name in GRAPHS and "fp32" in files}
    plans = {}
    if "int8" in precisions:
        plans = {name: Plan(models[name], KEEP.get(name, "") if keep is None else keep)
                 for name in int8_graphs if name in models}
    observers = {name: Observer(set(plans[name].points) if name in plans else set())
                 for name in models}
    show(manifest, models, images, observers)
    written = []
    quality = manifest.setdefault("quality", {}).setdefault("precision", {})
    for precision in precisions:
        graphs = plans if precision == "int8" else models
        for name in GRAPHS:
            manifest["files"].get(name, {}).pop(precision, None)
            if name not in graphs:
                continue
            if precision == "int8":
                model = int8(plans[name], observers[name].ranges())
            else:
                model = half(models[name], observers[name].peaks())
            path = folder / f"{name}.{precision}.onnx"
            store_half(model)      # constants that stayed float32
            onnx.save(model, str(path))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            manifest["files"][name][precision] = {"path": path.name, "sha256": digest}
            written.append(path)
        quality[precision] = {"calibration": {"frames": len(images), "from": source}}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return written


def show(manifest: dict, models: dict[str, onnx.ModelProto], images: list[np.ndarray],
         observers: dict[str, Observer]) -> None:
    """Runs the images [H,W,3] as one video through all graphs, as the service does."""
    graphs = {name: Interpreter(model) for name, model in models.items()}
    frames, matched, reference, instances = [], None, None, []
    rule = InputRule.read(manifest["input"], fixed_size(models["segmenter"]))
    for image in images:
        frame = graphs["segmenter"].run({"image": rule.fit(image)},
                                        observers["segmenter"])["frame_embeds"]
        frames.append(frame)
        if "tracker" not in graphs:
            continue
        first = matched is None
        if first:
            matched, reference = frame, torch.zeros_like(frame)
        else:
            order = match(matched[0].numpy(), frame[0].numpy())
            order = np.argsort(order) if manifest["matching"] == "dvis" else order
            matched = frame[:, torch.from_numpy(order)]
        inputs = {"frame_embeds": frame, "matched_embeds": matched, "reference": reference,
                  "is_first": torch.tensor([float(first)])}
        step = graphs["tracker"].run(inputs, observers["tracker"])
        reference = step["reference_out"]
        instances.append(step["instance_embeds"])
    if "refiner" not in graphs:
        return
    window = min(20, manifest["refiner"]["max_window"])
    for start in range(0, len(frames), window):
        inputs = {"frame_embeds": torch.cat(frames[start:start + window])}
        memory = graphs["frame_forward"].run(inputs, observers["frame_forward"])["memory"]
        inputs = {"instance_embeds": torch.cat(instances[start:start + window]), "memory": memory}
        graphs["refiner"].run(inputs, observers["refiner"])


def fixed_size(segmenter: onnx.ModelProto) -> tuple[int, int] | None:
    """Height and width of a graph that takes images of one size only; None for any other."""
    sides = segmenter.graph.input[0].type.tensor_type.shape.dim
    return (sides[2].dim_value,
            sides[3].dim_value) if sides[2].dim_value and sides[3].dim_value else None


def scenes(count: int) -> list[np.ndarray]:
    """Rendered images of four tiers' videos in turn, from the seeds of training."""
    from ..data.drawn.scenes import make_scene
    from ..data.sample import HEIGHT, WIDTH
    clips = [make_scene(tier, 1_500_000 + index)
             for index, tier in enumerate(("light", "everyday", "heavy", "everyday"))]
    return [clips[index % 4].frame(index // 4 * 12, HEIGHT, WIDTH)[0] for index in range(count)]


def read(paths: list[Path], count: int) -> list[np.ndarray]:
    """`count` images in all, spread evenly over image files, folders of them, and videos."""
    files = [file for path in paths
             for file in (sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES)
                          if path.is_dir() else [path])]
    still = [file for file in files if file.suffix.lower() in IMAGES]
    videos = [file for file in files if file.suffix.lower() not in IMAGES]
    share = count // max(1, len(videos) + bool(still))
    wanted = [still[index]
              for index in np.linspace(0, len(still) - 1,
                                       min(len(still), max(1, share))).astype(int)] if still else []
    images = [np.asarray(Image.open(file).convert("RGB")) for file in wanted]
    for video in videos:
        images += decode(video, max(1, count_frames(video) // max(1, share)), max(1, share))
    if not images:
        raise ValueError(f"no image and no video in {', '.join(map(str, paths))}")
    return images
