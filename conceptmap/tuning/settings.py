"""What may be chosen when an encoder is tuned."""

from __future__ import annotations

from dataclasses import dataclass

from conceptmap.errors import InputError

__all__ = ["TuneSettings"]

_AT_LEAST = {"steps": 1, "rank": 1, "concepts": 2, "mentions": 1, "sentences": 1, "check_every": 1, "patience": 1}
_AT_LEAST |= {"keep_every": 1, "longest": 8, "hard": 0, "warm_up": 0}
_ABOVE_ZERO = ("rate", "scale", "temperature")
_WEIGHTS = ("names", "context", "parents", "background", "keeping")


@dataclass(frozen=True)
class TuneSettings:
    """How to tune.

    Attributes:
        steps: most steps.
        rate: learning rate of AdamW after warming up; it falls in a line to a twentieth.
        rank: of the changes of each linear layer.
        scale: what their products are multiplied by.
        temperature: cosines are divided by it.
        concepts: whose names are told apart in a step, two names each.
        hard: neighbours of each drawn concept that are drawn with it.
        mentions: whose tokens are compared with names in a step.
        sentences: whose tokens are kept as they were in a step.
        names: weight of pulling the names of a concept together.
        context: weight of pulling a mention's tokens to the names of its concept.
        parents: weight of pulling names to those of parents.
        background: weight of pushing tokens of no concept away from all names.
        keeping: weight of staying near the encoder as it was, on plain sentences.
        warm_up: steps in which the rate grows.
        check_every: steps between two looks at what is held back.
        keep_every: steps between two checkpoints.
        patience: looks without a better one after which tuning ends.
        longest: most tokens of a sentence, special ones included.
        seed: of every random choice.

    Raises:
        InputError: at construction, when a number is out of range.
    """

    steps: int = 480
    rate: float = 2.5e-4
    rank: int = 16
    scale: float = 2.0
    temperature: float = 0.05
    concepts: int = 64
    hard: int = 1
    mentions: int = 16
    sentences: int = 8
    names: float = 1.0
    context: float = 0.7
    parents: float = 0.25
    background: float = 0.0
    keeping: float = 0.7
    warm_up: int = 20
    check_every: int = 120
    keep_every: int = 20
    patience: int = 4
    longest: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} is too small", got=getattr(self, name), expected=f"at least {least}")
        for name in (*_ABOVE_ZERO, *_WEIGHTS):
            value, zero = getattr(self, name), name in _WEIGHTS
            if not 0 <= value < float("inf") or (value == 0 and not zero):
                raise InputError(f"{name} is out of range", got=value, expected=f"{'0' if zero else 'more than 0'} …")
        if not any(getattr(self, name) for name in _WEIGHTS[:4]):
            raise InputError("nothing would be learned", got="only zero weights", expected="names or context above 0")

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self.rate * min(1.0, (step + 1) / max(1, self.warm_up)) * max(0.05, 1 - step / self.steps)
