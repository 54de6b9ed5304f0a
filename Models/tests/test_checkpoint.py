"""Checkpoint files: all formats read, nothing in them executed."""
import io
import pickle
import struct
import tempfile
import unittest
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import context  # noqa: F401
import numpy as np
import torch

from dvis.checkpoints.checkpoint import CheckpointError, read_checkpoint


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "x.pth"

    def write(self, data: bytes) -> Path:
        self.path.write_bytes(data)
        return self.path

    def refusal(self, path: Path | None = None) -> str:
        with self.assertRaises(CheckpointError) as caught:
            read_checkpoint(path or self.path)
        message = str(caught.exception)
        self.assertTrue(message.startswith(f"{path or self.path}: ") and message.endswith("."),
                        message)
        return message

    def test_every_kind_of_tensor_comes_back_in_both_formats_of_torch(self):
        base = torch.randn(4, 6)
        state = OrderedDict(whole=base, part=base[1:3, ::2], turned=base.t(), half=base.half(),
                            brain=base.bfloat16(), double=base.double(), scalar=torch.tensor(3.0),
                            index=torch.arange(5), flag=torch.tensor([True, False]),
                            empty=torch.empty(0, 3), parameter=torch.nn.Parameter(base + 1))
        state._metadata = {"": {"version": 2}}
        for new in (True, False):
            for content in (state,
                            {"model": state, "iteration": 7,
                             "scheduler": {"milestones": Counter([3, 3, 5])}, "trainer": None}):
                torch.save(content, self.path, _use_new_zipfile_serialization=new)
                found = read_checkpoint(self.path).tensors
                self.assertEqual(list(state), list(found))
                for name, value in state.items():
                    self.assertEqual(value.dtype, found[name].dtype)
                    torch.testing.assert_close(found[name], value.detach(), rtol=0, atol=0)

    def test_numpy_arrays_come_back_from_every_protocol(self):
        base = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
        arrays = {"plain": base, "columns": np.asfortranarray(base), "big": base.astype(">f4"),
                  "double": base.astype("f8"), "index": np.arange(3), "scalar": np.array(2.5)}
        for protocol in (0, 2, 4, pickle.HIGHEST_PROTOCOL):
            self.write(pickle.dumps({"model": arrays, "__author__": "someone",
                                     "best": np.float64(0.5)}, protocol))
            found = read_checkpoint(self.path).tensors
            for name, value in arrays.items():
                np.testing.assert_array_equal(value, found[name].numpy())

    def test_weights_as_training_tools_save_them(self):
        weights = {"backbone.a": torch.ones(2), "head.b": torch.zeros(3)}
        prefixed = lambda *heads: {f"{'.'.join(heads)}.{name}": value
                                   for name, value in weights.items()}
        for content, taken, others in (
                (weights, None, ()),
                ({"model": weights}, "model", ()),
                ({"model": prefixed("module")}, "model", ()),
                ({"state_dict": prefixed("model"), "epoch": 3}, "state_dict", ()),
                ({"state_dict": prefixed("model", "_orig_mod")}, "state_dict", ()),
                ({"module": weights, "step": 1}, "module", ()),
                ({"model_ema": weights, "optimizer": {}}, "model_ema", ()),
                ({"ema": {"backbone.a": torch.ones(1)}, "model": weights}, "model", ("ema",))):
            for new in (True, False):
                torch.save(content, self.path, _use_new_zipfile_serialization=new)
                found = read_checkpoint(self.path)
                self.assertEqual((taken, others), found[1:])
                self.assertEqual(list(weights), list(found.tensors))
                torch.testing.assert_close(found.tensors["backbone.a"], torch.ones(2))

    def test_a_pickle_that_calls_a_function_is_refused_and_not_run(self):
        import os
        victim = self.folder / "touched"
        for hostile in (Call(os.system, f"touch {victim}"),
                        Call(eval, f"open({str(victim)!r}, 'w')"), Call(open, str(victim), "w"),
                        Call(getattr, OrderedDict, "__init__")):
            # Its module differs with the pickle's protocol.
            named = hostile.call[0].__name__
            content = {"model": {"a": torch.ones(2)}, "extra": hostile}
            for new in (True, False):
                torch.save(content, self.path, _use_new_zipfile_serialization=new)
                self.assertRegex(self.refusal(), rf"the file wants to use \w+\.{named}, "
                                                 "which no tensor needs, so it is refused")
            self.write(pickle.dumps(content["extra"]))
            self.assertRegex(self.refusal(), rf"the file wants to use \w+\.{named}, ")
        self.assertFalse(victim.exists())

    def test_names_are_not_paths_and_stand_ins_cannot_be_changed(self):
        # \x93 looks a global up by two texts: "a.b" must not reach into an allowed one
        self.write(b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.")
        self.assertIn("collections.OrderedDict.__init__", self.refusal())
        # b sets attributes of what a global gave
        self.write(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x05\x00\x00\x00_makeNs\x86b.")
        self.assertIn("sets an attribute of a function", self.refusal())
        torch.save({"a": torch.ones(2)}, self.path)
        self.assertEqual([1.0, 1.0], read_checkpoint(self.path).tensors["a"].tolist())

    def test_what_is_no_state_dict_is_refused_in_a_sentence(self):
        for content, words in (([1, 2], "the file holds a list"),
                               ({"model": {"a": 1}}, "a is a int, expected a tensor"),
                               ({3: torch.ones(1)}, "the file has the name 3"),
                               (torch.ones(2), "the file holds a tensor"),
                               ({"a": np.array(["x"])}, "a: numpy arrays of type U1 are not read")):
            for new in (True, False):
                torch.save(content, self.path, _use_new_zipfile_serialization=new)
                self.assertIn(words, self.refusal())

    def test_damaged_files_are_refused_in_a_sentence(self):
        for new in (True, False):
            torch.save({"a": torch.ones(50)}, self.path, _use_new_zipfile_serialization=new)
            data = self.path.read_bytes()
            for length in (0, 1, len(data) // 3, len(data) - 20):
                self.write(data[:length])
                self.refusal()
        random = np.random.default_rng(0)
        for _ in range(50):
            self.write(b"\x80\x02" + random.bytes(60))
            self.refusal()
        self.write(b"not a checkpoint")
        self.refusal()
        self.refusal(self.folder / "nowhere.pth")

    def test_a_zip_of_something_else_is_refused(self):
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("word/document.xml", "<x/>")
        self.assertIn("none of torch.save", self.refusal())

    def test_a_tensor_beyond_its_numbers_is_refused(self):
        torch.save({"a": torch.ones(4)}, self.path)
        with zipfile.ZipFile(self.path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in parts if name.endswith("data.pkl"))
        # The size (4,) becomes (64,).
        changed = parts[name].replace(b"K\x04\x85", b"K\x40\x85")
        self.assertNotEqual(parts[name], changed)
        with zipfile.ZipFile(self.path, "w") as archive:
            for part, data in {**parts, name: changed}.items():
                archive.writestr(part, data)
        self.assertIn("a: a tensor of shape (64) reaches beyond its 4 numbers", self.refusal())

    def test_numbers_of_another_length_are_refused(self):
        stream = io.BytesIO()
        torch.save({"a": torch.ones(4)}, stream, _use_new_zipfile_serialization=False)
        data = stream.getvalue()
        self.write(data[:-24] + struct.pack("<q", 2 ** 60) + data[-16:])
        self.assertIn("the list of the file's numbers is damaged", self.refusal())


if __name__ == "__main__":
    unittest.main()
