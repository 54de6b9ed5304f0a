"""Processes that make training data beside the training."""
from __future__ import annotations

import os
import threading
from multiprocessing import parent_process
from typing import Callable, Iterator

import torch
from torch import multiprocessing

TIMEOUT = 600     # seconds until an item that does not come is an error


class Workers:
    """Processes that put what a generator yields into a bounded queue until they are closed.

    They end with the process that started them, however it ends: a training that is killed leaves
    no process behind."""

    def __init__(self, make: Callable[..., Iterator], arguments: list[tuple], ahead: int):
        """Starts one process per entry of `arguments`, which `make` is called with.

        `ahead`: items per process that may wait in the queue."""
        context = multiprocessing.get_context("spawn")
        self.made = context.Queue(ahead * len(arguments))
        self.processes = [context.Process(target=_work, args=(self.made, make, some), daemon=True)
                          for some in arguments]
        for process in self.processes:
            process.start()

    def next(self):
        """The next item; waits for it."""
        return self.made.get(timeout=TIMEOUT)

    def empty(self) -> bool:
        """Whether no item is ready."""
        return self.made.empty()

    def close(self) -> None:
        """Ends the processes."""
        for process in self.processes:
            process.kill()
            process.join()


def _work(made, make: Callable[..., Iterator], arguments: tuple) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    for item in make(*arguments):
        made.put(item)


def _end_with_parent() -> None:
    """Ends this process when its parent has ended; a process killed outright cannot tell it to."""
    parent_process().join()
    os._exit(1)
