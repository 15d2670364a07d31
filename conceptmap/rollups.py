"""Roll-up of rows of several systems at once, each to the targets that its own ontology has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.ontology import Ontology
from conceptmap.rollup import roll_up, roll_up_frame

__all__ = ["Rollup", "read_targets"]

_OLD = pl.Schema({"system": pl.String(), "code": pl.String(), "now": pl.List(pl.String())})
_ROLLED = {"rollup_code": pl.String(), "rollup_name": pl.String()}


def read_targets(to: str) -> str | tuple[str, ...]:
    """What ``--rollup`` and ``--to`` name: a kind, a semantic tag, ``depth:N``, or the codes listed in a text file.

    Raises:
        InputError: the file cannot be read or lists no code.
    """
    path = Path(to)
    if path.suffix.lower() != ".txt":
        return to
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(
            f"cannot read codes from {path}", got=got, expected="a UTF-8 text file, a code a line"
        ) from None
    codes = dict.fromkeys(code for line in lines if (code := line.partition("#")[0].strip()))
    if not codes:
        raise InputError(f"{path} lists no code", expected="a code a line; what follows a # is a remark")
    return tuple(codes)


@dataclass(frozen=True)
class Rollup:
    """Targets in one or several ontologies.

    Attributes:
        ontologies: by system, those that have targets.
        targets: by system.
    """

    ontologies: Mapping[str, Ontology]
    targets: Mapping[str, str | tuple[str, ...]]

    @classmethod
    def to(cls, to: str | Sequence[str], ontologies: Iterable[Ontology]) -> Rollup:
        """Find the targets.

        Args:
            to: as in ``rollup.roll_up``; listed codes may be of any of the ontologies.
            ontologies: one for each system.

        Raises:
            InputError: no ontology has such targets.
            UnknownCodeError: a listed code that no ontology holds.
        """
        given = {ontology.system: ontology for ontology in ontologies}
        found: dict[str, str | tuple[str, ...]] = {}
        failure: InputError | None = None
        for system, ontology in given.items():
            wanted = to if isinstance(to, str) else tuple(code for code in to if _holds(ontology, code))
            try:
                roll_up([], ontology, to=wanted)
                found[system] = wanted
            except InputError as error:
                failure = error
        if not isinstance(to, str):
            _check_known(to, given, found)
        if not found and failure is not None:
            raise failure
        return cls({system: given[system] for system in found}, found)

    def fill(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with ``rollup_code`` and ``rollup_name``, null where a code reaches no target.

        Args:
            frame: ``system, code``; without ``system``, of the only ontology.
        """
        if "system" not in frame.columns:
            (system,) = self.ontologies
            return roll_up_frame(frame, self.ontologies[system], to=self.targets[system])
        rest = frame.drop(_ROLLED, strict=False).with_row_index("_row")
        parts = [rest.filter(~pl.col("system").is_in(list(self.ontologies))).with_columns(_nulls())]
        for system, ontology in self.ontologies.items():
            rows = rest.filter(pl.col("system") == system)
            parts.append(roll_up_frame(rows, ontology, to=self.targets[system]).select(parts[0].columns))
        return pl.concat(parts).sort("_row").drop("_row")

    def old_codes(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns ``system, code, now``: the codes that are no longer active and what they were rolled up as.

        ``now`` lists active codes; none where nothing is known to have replaced the code, which then reaches nothing.

        Args:
            frame: as in :meth:`fill`.
        """
        rows: list[tuple[str, str, list[str]]] = []
        for system, ontology in self.ontologies.items():
            mine = frame if "system" not in frame.columns else frame.filter(pl.col("system") == system)
            codes = mine["code"].drop_nulls().unique(maintain_order=True)
            active = ontology.concepts["active"].gather(ontology.rows_of(codes))
            old = codes.filter(~active.fill_null(value=True)).to_list()
            rows += [(system, code, sorted(ontology.current(code))) for code in old]
        return pl.DataFrame(rows, schema=_OLD, orient="row")


def _nulls() -> list[pl.Expr]:
    return [pl.lit(None, dtype=dtype).alias(name) for name, dtype in _ROLLED.items()]


def _holds(ontology: Ontology, code: str) -> bool:
    try:
        ontology.node(code)
    except InputError:
        return False
    return True


def _check_known(
    codes: Sequence[str], given: Mapping[str, Ontology], found: Mapping[str, str | tuple[str, ...]]
) -> None:
    known = {code for listed in found.values() for code in listed}
    if unknown := [code for code in codes if code not in known]:
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        raise UnknownCodeError(
            "codes to roll up to that no ontology holds",
            got=", ".join(unknown[:5]) + more,
            expected=f"codes of {', '.join(f'{o.system} {o.release}' for o in given.values())}",
        )
