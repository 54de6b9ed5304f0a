"""Safe reader of PyTorch and numpy checkpoints: nothing in the file is executed.

A pickle is a program: it may name any function of any module and have it called. Here it can name
only the entries of `_GLOBALS`, none of which is the real function: a tensor or array is recorded as
data and built after the pickle has been read.

`torch.load(weights_only=True)` does not replace this reader. In PyTorch 1.13 it refuses the numpy
arrays and scalars of official checkpoints, no version reads plain pickles of numpy arrays, and
before 2.6 a crafted file could still run code (CVE-2025-32434).
"""
from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, Callable, NamedTuple

import numpy as np
import torch
from torch import Tensor

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C   # first object of a file of torch.save before its zip format
LEGACY_PROTOCOL = 1001

# Names under which training tools keep the weights in a checkpoint, the first that is there counts:
# detectron2, Lightning, others, then averaged weights.
WEIGHTS = ("model", "state_dict", "model_state_dict", "model_state", "weights", "net", "network",
           "module", "model_ema", "ema_model", "ema_state_dict", "ema")


class CheckpointError(ValueError):
    """Error in a checkpoint, as a sentence for the user."""


class Checkpoint(NamedTuple):
    """Tensors of a checkpoint by name, without what a training tool wrapped around them."""
    tensors: dict[str, Tensor]
    taken: str | None            # entry of the file that holds them; None: the file itself
    others: tuple[str, ...]      # further entries that hold weights, which were not taken


def read_checkpoint(path: Path) -> Checkpoint:
    """Weights of a checkpoint.

    The file holds {name: tensor} or such a dictionary under one of `WEIGHTS`, in torch.save's zip
    or older format or as a plain pickle with numpy arrays. A first part that all names share, such
    as the `module.` of distributed training, is removed. Raises CheckpointError for a file that is
    damaged, names a function that tensors do not need, or holds something else."""
    try:
        return _read_zip(path) if zipfile.is_zipfile(path) else _tensors(_read_stream(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: the checkpoint cannot be read: "
                              f"{error.strerror or error}.") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(f"{path}: the checkpoint is damaged or no checkpoint: "
                              f"{type(error).__name__}: {error}.") from error


def _tensors(content: object) -> Checkpoint:
    found = [name for name in WEIGHTS
             if isinstance(content, dict) and isinstance(content.get(name), dict)]
    taken, *others = found or [None]
    if taken is not None:
        content = content[taken]
    if not isinstance(content, dict):
        raise CheckpointError(f"the file holds {_kind(content)}, expected names and tensors, or "
                              f"such under {' or '.join(WEIGHTS[:2])}.")
    tensors = {}
    for name, value in content.items():
        if not isinstance(name, str):
            raise CheckpointError(f"the file has the name {name!r}, expected text.")
        if not isinstance(value, (_Tensor, _Array)):
            raise CheckpointError(f"{name} is {_kind(value)}, expected a tensor; a state dict "
                                  "holds nothing else.")
        try:
            tensors[name] = value.build()
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from None
    return Checkpoint(_unprefixed(tensors), taken, tuple(others))


def _unprefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same without the first parts that all names share (`module.`, `model.`, `_orig_mod.`)."""
    while True:
        heads = {name.partition(".")[0] for name in tensors if "." in name}
        if len(heads) != 1 or not all("." in name for name in tensors):
            return tensors
        tensors = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}


def _kind(value: object) -> str:
    return f"a {type(value).__name__.strip('_').lower()}"


class _Storage:
    """Numbers that tensors are views of.

    `data` is read when it is needed or, in the older format, at the end of the file."""

    def __init__(self, dtype: torch.dtype, count: int, read: Callable[[], bytes] | None = None):
        self.dtype, self.count, self.read, self.data = dtype, count, read, None

    def fill(self, raw: bytes) -> None:
        size = torch.empty(0, dtype=self.dtype).element_size()
        if len(raw) != self.count * size:
            raise CheckpointError(f"the file holds {len(raw)} bytes for {self.count} numbers of "
                                  f"{size} bytes.")
        self.data = torch.frombuffer(bytearray(raw),
                                     dtype=self.dtype) if raw else torch.empty(0, dtype=self.dtype)

    def numbers(self) -> Tensor:
        if self.data is None:
            if self.read is None:
                raise CheckpointError("the file ends before its numbers.")
            self.fill(self.read())
        return self.data


class _Tensor:
    """Arguments of a call of torch._utils._rebuild_tensor_v2."""

    def __init__(self, storage: _Storage, offset: int, size: tuple, stride: tuple):
        whole = (isinstance(storage, _Storage) and isinstance(size, tuple)
                 and isinstance(stride, tuple) and len(size) == len(stride))
        if not whole or not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)):
            raise CheckpointError("a tensor's description is damaged.")
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def build(self) -> Tensor:
        last = self.offset + sum((size - 1) * stride
                                 for size, stride in zip(self.size, self.stride))
        if 0 not in self.size and last >= self.storage.count:
            raise CheckpointError(f"a tensor of shape {shape_text(self.size)} reaches beyond its "
                                  f"{self.storage.count} numbers.")
        return self.storage.numbers().as_strided(self.size, self.stride, self.offset).clone()


class _Dtype:
    """numpy type by its code, such as f4."""

    CODES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")

    def __init__(self, code: str):
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def build(self) -> np.dtype:
        if self.code not in self.CODES or self.order not in ("<", ">", "|", "="):
            raise CheckpointError(f"numpy arrays of type {self.code} are not read.")
        return np.dtype(self.order.replace("=", "<").replace("|", "<") + self.code)


class _Array:
    """State of a numpy array."""

    def __init__(self) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def build(self) -> Tensor:
        if len(self.state) != 5 or not isinstance(self.state[2], _Dtype):
            raise CheckpointError("a numpy array's description is damaged.")
        _, shape, dtype, by_columns, raw = self.state
        values = np.frombuffer(raw.encode("latin1") if isinstance(raw, str) else raw, dtype.build())
        values = values.reshape(shape, order="F" if by_columns else "C")
        native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        return torch.from_numpy(native.reshape(shape).copy())


def _from_buffer(raw: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", bytes(raw))
    return array


class _Stand:
    """Substitute for a function or type of the pickle.

    It holds no state that the pickle could change."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable):
        object.__setattr__(self, "_make", make)

    def __setattr__(self, name: str, value: object) -> None:
        raise CheckpointError("the pickle sets an attribute of a function.")

    def __call__(self, *arguments):
        return self._make(*arguments)


def _no_call(*_) -> None:
    raise CheckpointError("the pickle calls a type that is only to be named.")


def _scalar(dtype: _Dtype, raw: bytes | str):
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    return np.frombuffer(data, dtype.build(), 1)[0].item()


_STORAGES = {"FloatStorage": torch.float32, "HalfStorage": torch.float16,
             "BFloat16Storage": torch.bfloat16, "DoubleStorage": torch.float64,
             "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
             "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool}
_STORAGE_TYPES = {name: _Stand(_no_call) for name in _STORAGES}
_DTYPE_OF = {id(stand): _STORAGES[name] for name, stand in _STORAGE_TYPES.items()}

# numpy's functions under their names of version 1 and 2
_NUMPY = {"multiarray._reconstruct": _Stand(lambda *_: _Array()),
          "multiarray.scalar": _Stand(_scalar), "numeric._frombuffer": _Stand(_from_buffer)}
_GLOBALS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): _Stand(dict),   # in the state of learning rate schedules
    ("torch._utils", "_rebuild_tensor_v2"): _Stand(lambda *arguments: _Tensor(*arguments[:4])),
    ("torch._utils", "_rebuild_parameter"): _Stand(lambda tensor, *_: tensor),
    ("torch", "Size"): _Stand(tuple),
    ("_codecs", "encode"): _Stand(lambda text, *_: text.encode("latin1")),
    ("numpy", "ndarray"): _Stand(_no_call),
    ("numpy", "dtype"): _Stand(lambda code, *_: _Dtype(code)),
    **{tuple(f"numpy.{core}.{name}".rsplit(".", 1)): stand
       for core in ("core", "_core") for name, stand in _NUMPY.items()},
    **{("torch", name): stand for name, stand in _STORAGE_TYPES.items()},
}


class _Reader(pickle.Unpickler):
    """Unpickler that knows the names of `_GLOBALS` and no others."""

    def __init__(self, stream: BinaryIO,
                 storage: Callable[[torch.dtype, str, int], _Storage] | None = None):
        super().__init__(stream, encoding="latin1")
        self._storage = storage

    def find_class(self, module: str, name: str):
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise CheckpointError(f"the file wants to use {module}.{name}, which no tensor needs, "
                                  "so it is refused: a checkpoint could run any program that "
                                  "way.") from None

    def persistent_load(self, pid):
        known = isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"
        if self._storage is None or not known or any(view is not None for view in pid[5:]):
            raise CheckpointError(f"the file refers to {str(pid)[:80]}, which is not supported.")
        kind, key, count = pid[1], pid[2], pid[4]
        whole = isinstance(key, str) and isinstance(count, int) and count >= 0
        if id(kind) not in _DTYPE_OF or not whole:
            raise CheckpointError("the description of a tensor's numbers is damaged.")
        return self._storage(_DTYPE_OF[id(kind)], key, count)


def _read_zip(path: Path) -> Checkpoint:
    """torch.save's format since 1.6: a zip with one pickle and one file for each storage.

    Only those of the model are read."""
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist()
                   if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise CheckpointError("the file is a zip, but none of torch.save: it has no data.pkl.")
        root = pickles[0][:-len("data.pkl")]
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise CheckpointError("the numbers are big-endian, which is not supported.")
        storages: dict[str, _Storage] = {}

        def numbers(key: str) -> bytes:
            entry = archive.getinfo(f"{root}data/{key}")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise CheckpointError("the numbers are compressed, which torch.save does not do.")
            return archive.read(entry)

        def storage(dtype: torch.dtype, key: str, count: int) -> _Storage:
            return storages.setdefault(key, _Storage(dtype, count, lambda: numbers(key)))

        with archive.open(pickles[0]) as stream:
            return _tensors(_Reader(stream, storage).load())


def _read_stream(path: Path) -> object:
    """torch.save's older format (five pickles, then the storages), or a plain pickle."""
    storages: dict[str, _Storage] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> _Storage:
        return storages.setdefault(key, _Storage(dtype, count))

    with path.open("rb") as stream:
        content = _Reader(stream).load()
        if content != LEGACY_MAGIC:
            return content
        if _Reader(stream).load() != LEGACY_PROTOCOL:
            raise CheckpointError("the file is of an unknown version of torch.save's older format.")
        system = _Reader(stream).load()
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise CheckpointError("the numbers are big-endian, which is not supported.")
        content = _Reader(stream, storage).load()
        for key in _Reader(stream).load():
            (count,) = struct.unpack("<q", stream.read(8))
            part = storages.get(key)
            if part is None or count != part.count:
                raise CheckpointError("the list of the file's numbers is damaged.")
            part.fill(stream.read(count * torch.empty(0, dtype=part.dtype).element_size()))
        return content


def shape_text(shape) -> str:
    return f"({','.join(map(str, shape))})"
