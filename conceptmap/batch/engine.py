"""Who codes the shards: the engine asked for, where its workers get their mapper from, and what they hand back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from conceptmap.errors import InputError

if TYPE_CHECKING:
    from conceptmap.mapper import ConceptMapper

__all__ = ["ENGINES", "Done", "Engine", "MapperSource"]

ENGINES = ("local", "processes", "ray")


class Done(NamedTuple):
    """A shard that has been coded: its number, its name and the bytes to keep."""

    number: int
    key: str
    content: bytes


@dataclass(frozen=True)
class MapperSource:
    """How a worker loads the mapper: the arguments of ``ConceptMapper.load``.

    Attributes:
        indexes: ``"icd10cm"`` or index folders.
        options: keyword arguments; strings, numbers and None, so that they can travel.
    """

    indexes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> ConceptMapper:
        """The mapper."""
        from conceptmap.mapper import ConceptMapper

        return ConceptMapper.load(*self.indexes, **self.options)

    @property
    def precision(self) -> dict[str, object]:
        """Where and in what the encoder computes."""
        return {name: self.options[name] for name in ("device", "dtype") if name in self.options}

    def absolute(self) -> MapperSource:
        """The same with whole paths, for workers that start elsewhere."""
        options = {name: _absolute(value) for name, value in self.options.items()}
        return MapperSource(tuple(_absolute(name) for name in self.indexes), options)


def _absolute(value: Any) -> Any:  # noqa: ANN401 - whatever an option holds
    if isinstance(value, list | tuple):
        return tuple(_absolute(one) for one in value)
    return str(Path(value).resolve()) if isinstance(value, str) and Path(value).exists() else value


@dataclass(frozen=True)
class Engine:
    """Who does the work.

    Attributes:
        name: of ``ENGINES``.
        workers: how many; 0 chooses.
        source: where workers get their mapper from; ``local`` needs none.
        address: of a Ray cluster; None starts one on this machine.
        gpus: GPUs for each Ray actor, also a part of one.

    Raises:
        InputError: there is no such engine, or it lacks what it needs.
    """

    name: str = "local"
    workers: int = 0
    source: MapperSource | None = None
    address: str | None = None
    gpus: float = 0

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError("engine is unknown", got=self.name, expected=", ".join(ENGINES))
        if self.workers < 0 or self.gpus < 0:
            raise InputError(
                "workers and gpus must not be negative", got=min(self.workers, self.gpus), expected="0 or more"
            )
        if self.name == "local" and self.workers > 1:
            raise InputError("the local engine has one worker", got=self.workers, then="use --engine processes")
        if self.name != "local" and self.source is None:
            raise InputError(f"the engine {self.name} needs to know where its workers get their mapper from")
        if self.name != "ray" and (self.address or self.gpus):
            raise InputError("a cluster's address and GPUs are for the engine ray", got=self.name)
