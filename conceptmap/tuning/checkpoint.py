"""Where a run is: factors, the optimiser's moments and the best so far, in one file that is whole or not there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from conceptmap.files import PRIVATE, atomic_file, make_folder, remove_known
from conceptmap.tuning.figures import Figures

__all__ = ["Progressed", "forget", "keep", "kept"]

NAME = "tuning.safetensors"
_OURS = re.compile(rf"{re.escape(NAME)}|\.{re.escape(NAME)}\.[0-9a-f]{{12}}\.tmp")


@dataclass(slots=True)
class Progressed:
    """How far a run is.

    Attributes:
        step: steps done.
        before: figures before the first.
        looks: step and figures of every look.
        best_step: that of the best look, 0 before there is one.
        best: factors of then.
    """

    before: Figures
    step: int = 0
    looks: list[tuple[int, Figures]] = field(default_factory=list)
    best_step: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_score(self) -> float:
        """Of the best look; less than any while there is none."""
        return max((figures.score for _, figures in self.looks), default=-1.0)


def keep(
    folder: Path, run: str, progressed: Progressed, factors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> None:
    """Write a checkpoint, in the place of the one before.

    Args:
        folder: made if missing, for its owner alone.
        run: fingerprint of settings and data.
        progressed: how far the run is.
        factors: by name, in the order in which the optimiser has them.
        optimiser: AdamW's.

    Raises:
        OutOfSpaceError: the disk is full; the checkpoint before stays.
    """
    make_folder(folder, PRIVATE)
    tensors = {f"now/{name}": value.detach().cpu().contiguous() for name, value in factors.items()}
    tensors |= {f"best/{name}": value.contiguous() for name, value in progressed.best.items()}
    for name, parameter in factors.items():
        state = optimiser.state[parameter]
        tensors |= {f"{key}/{name}": state[key].detach().cpu().contiguous() for key in ("exp_avg", "exp_avg_sq")}
    said = {
        "run": run,
        "step": progressed.step,
        "best_step": progressed.best_step,
        "before": asdict(progressed.before),
        "looks": [[step, asdict(figures)] for step, figures in progressed.looks],
        "digest": _digest(tensors),
    }
    with atomic_file(folder / NAME, PRIVATE) as file:
        file.write(save(tensors, metadata={"tuning": json.dumps(said)}))


def kept(folder: Path, run: str, factors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> Progressed | None:
    """Go on where a run was: factors and moments are put in their places.

    Returns:
        How far it is; None where there is no checkpoint of this run that can be trusted, and nothing is changed.
    """
    try:
        with safe_open(folder / NAME, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            said = json.loads((file.metadata() or {})["tuning"])
        if said["run"] != run or said["digest"] != _digest(tensors):
            return None
        looks = [(int(step), Figures.from_json(figures)) for step, figures in said["looks"]]
        best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
        found = Progressed(Figures.from_json(said["before"]), int(said["step"]), looks, int(said["best_step"]), best)
        _restore(tensors, found.step, factors, optimiser)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return found


def _restore(
    tensors: Mapping[str, Tensor], step: int, factors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
) -> None:
    whole = all(
        f"{part}/{name}" in tensors and tensors[f"{part}/{name}"].shape == value.shape
        for part in ("now", "exp_avg", "exp_avg_sq")
        for name, value in factors.items()
    )
    if not whole:
        raise ValueError("another shape")
    with torch.no_grad():
        for name, parameter in factors.items():
            parameter.copy_(tensors[f"now/{name}"])
            moments: dict[str, Any] = {
                key: tensors[f"{key}/{name}"].clone().to(parameter.device) for key in ("exp_avg", "exp_avg_sq")
            }
            optimiser.state[parameter] = {"step": torch.tensor(float(step)), **moments}


def forget(folder: Path) -> None:
    """Remove the checkpoint, and its folder unless that holds anything else."""
    remove_known(folder, lambda name: bool(_OURS.fullmatch(name)))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
