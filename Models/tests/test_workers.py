"""Processes that make training data: they end with the training, however it ends."""
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import context  # noqa: F401

from dvis.training.workers import Workers

TRAINING = """
import sys, time
sys.path.insert(0, {here!r})
import test_workers
if __name__ == "__main__":
    workers = test_workers.Workers(test_workers.numbers, [(0,), (100,)], ahead=2)
    first = {{workers.next(), workers.next()}}
    print(*(process.pid for process in workers.processes), flush=True)
    time.sleep(600)
"""


def numbers(first: int):
    yield from itertools.count(first)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pids: list[int], seconds: float = 60) -> bool:
    """Waits until no process runs any more."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, pids))


class WorkersTests(unittest.TestCase):
    def test_each_process_yields_its_own_items_until_all_are_closed(self):
        workers = Workers(numbers, [(0,), (100,)], ahead=1)
        try:
            found = {workers.next() for _ in range(12)}
        finally:
            workers.close()
        for first in (0, 100):
            own = sorted(number for number in found if first <= number < first + 100)
            self.assertEqual(list(range(first, first + len(own))), own)
        self.assertFalse(any(process.is_alive() for process in workers.processes))

    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_processes_end_with_a_training_that_is_killed(self):
        """They block on a full queue, and SIGKILL leaves the training no chance to end them."""
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "training.py"
            script.write_text(TRAINING.format(here=str(Path(__file__).parent)))
            quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}    # of semaphores left behind
            training = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE,
                                        text=True, env=quiet)
            pids = [int(pid) for pid in training.stdout.readline().split()]
            try:
                self.assertEqual([True, True], list(map(alive, pids)))
                training.send_signal(signal.SIGKILL)
                training.wait()
                self.assertTrue(gone(pids))
            finally:
                training.stdout.close()
                for pid in filter(alive, pids):
                    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
