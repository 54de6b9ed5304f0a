"""Parts that all training stages share.

A learning rate over a wall-clock budget, averaged weights, checkpoints.
"""
from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Callable

import torch
from torch import nn

WARMUP = 0.02          # share of the budget
DECAY = 0.998          # of the averaged weights, per step


def device() -> torch.device:
    """CUDA where it is available, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Stage:
    """One stage of training: trains `modules` (name -> module) for `minutes`.

    It saves often and resumes exactly where it was saved."""

    def __init__(self, path: Path, modules: dict[str, nn.Module], minutes: float, rate: float,
                 slow: tuple[str, ...] = (), slow_factor: float = 0.3):
        self.path, self.budget = path, minutes * 60
        self.modules = nn.ModuleDict(modules)
        fast_parameters, slow_parameters = [], []
        for name, parameter in self.modules.named_parameters():
            (slow_parameters if any(part in name for part in slow)
             else fast_parameters).append(parameter)
        groups = [{"params": fast_parameters, "factor": 1.0},
                  {"params": slow_parameters, "factor": slow_factor}]
        self.optimiser = torch.optim.AdamW([group for group in groups if group["params"]], lr=rate,
                                           weight_decay=0.02)
        self.rate, self.steps, self.spent = rate, 0, 0.0
        self.average = {name: value.detach().clone()
                        for name, value in self.modules.state_dict().items()}
        if path.exists():
            self.load()
        self.resume()

    def resume(self) -> None:
        """Starts the budget; the time that prepares the training does not count."""
        self.began, self.saved = time.monotonic() - self.spent, time.monotonic()

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0..1."""
        return min(1.0, (time.monotonic() - self.began) / self.budget)

    def step(self, loss: torch.Tensor) -> None:
        """Does one optimiser step; a loss that is not finite is skipped."""
        self.steps += 1
        progress = self.progress
        scale = min(1.0, progress / WARMUP) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * scale * group["factor"]
        self.optimiser.zero_grad(set_to_none=True)
        if not torch.isfinite(loss):
            return
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
        self.optimiser.step()
        self._average()

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(DECAY, (1 + self.steps) / (10 + self.steps))
        for name, value in self.modules.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)

    def save_sometimes(self, seconds: float = 60) -> bool:
        """Saves when the last save is `seconds` ago; returns whether it did."""
        if time.monotonic() - self.saved < seconds:
            return False
        self.save()
        return True

    def save(self) -> None:
        """Writes a new file and renames it, so that a crash leaves the last checkpoint whole."""
        self.saved = time.monotonic()
        self.spent = self.saved - self.began
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        torch.save({"modules": self.modules.state_dict(), "average": self.average,
                    "optimiser": self.optimiser.state_dict(), "steps": self.steps,
                    "spent": self.spent}, fresh)
        os.replace(fresh, self.path)

    def load(self) -> None:
        state = torch.load(self.path, map_location="cpu")
        self.modules.load_state_dict(state["modules"])
        self.average = {name: value.to(self.average[name].device)
                        for name, value in state["average"].items()}
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.spent = state["steps"], state["spent"]


def run(stage: Stage, name: str, step: Callable[[], tuple[torch.Tensor, dict[str, float]]]) -> None:
    """Steps until the budget is spent.

    `step` returns the loss and figures, whose means are printed now and then."""
    stage.resume()
    shown, sums = time.monotonic(), {}
    while stage.progress < 1:
        loss, figures = step()
        stage.step(loss)
        for key, value in figures.items():
            sums.setdefault(key, []).append(value)
        if time.monotonic() - shown > 20:
            line = " ".join(f"{key} {sum(values) / len(values):.3f}"
                            for key, values in sums.items())
            print(f"{name} {100 * stage.progress:5.1f} % step {stage.steps} {line}", flush=True)
            shown, sums = time.monotonic(), {}
        stage.save_sometimes()
    stage.save()


def load_average(module: nn.Module, path: Path, prefix: str) -> None:
    """Loads the averaged weights of one module of a stage's checkpoint, strictly."""
    average = torch.load(path, map_location="cpu")["average"]
    part = {name[len(prefix) + 1:]: value
            for name, value in average.items() if name.startswith(prefix + ".")}
    module.load_state_dict(part)


STAGES = (("segmenter.pt", "backbone"), ("segmenter.pt", "sem_seg_head"), ("tracker.pt", "tracker"),
          ("refiner.pt", "refiner"))


def stages(model: nn.Module) -> list[tuple[str, str]]:
    """File and part of every stage of a model, in order; video queries come last."""
    return [(file, part) for file, part in (*STAGES, (f"{model.method}.pt", "vita_module"))
            if getattr(model, part) is not None]


def load_before(model: nn.Module, run: Path, stage: str, further: bool) -> None:
    """Loads the averaged weights of the stages before `stage`.

    A stage that was not run again keeps the weights of a model that is trained further."""
    for file, part in stages(model):
        if file == f"{stage}.pt":
            return
        if (run / file).exists() or not further:
            load_average(getattr(model, part), run / file, part)


def load_run(model: nn.Module, run: Path) -> list[str]:
    """Loads the averaged weights of all stages that a run has reached; returns their parts."""
    loaded = []
    for file, part in stages(model):
        if (run / file).exists():
            load_average(getattr(model, part), run / file, part)
            loaded.append(part)
    return loaded
