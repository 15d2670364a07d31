"""Roll-up of rows of several systems at once, each to the targets that its own ontology has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from conceptmap.errors import InputError, UnknownCodeError, said_codes
from conceptmap.ontology.history import today
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup import best_cut, roll_up, roll_up_frame, roll_up_scores

__all__ = ["Rollup", "cut", "old_codes", "read_targets", "spelled"]

How = Literal["max", "sum"]

_OLD = pl.Schema({"system": pl.String(), "code": pl.String(), "now": pl.List(pl.String()), "reason": pl.String()})
_UNKNOWN = pl.Schema({"system": pl.String(), "code": pl.String()})
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

    def scores(self, frame: pl.DataFrame, *, how: How = "max", by: Sequence[str] = ()) -> pl.DataFrame:
        """The score of every target that the codes reach: `rollup.roll_up_scores` in each system.

        Args:
            frame: ``code, score`` and, where there are several, ``system``; ``evidence`` may name several pieces, with
                spaces between them, as in ``codes.csv``.
            how: "max", or "sum" over distinct evidence.
            by: columns that keep apart what belongs to different notes.

        Returns:
            ``system``, the columns of ``by``, and ``node, code, name, score, n_evidence``.
        """
        return _by_system(
            frame, self.ontologies, lambda rows, o: roll_up_scores(rows, o, to=self.targets[o.system], how=how, by=by)
        )


def spelled(frame: pl.DataFrame, ontologies: Iterable[Ontology]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the frame with every code as its ontology spells it, null where it holds none, and the codes it does not.

    Blanks in a code, its case and a missing point are forgiven.

    Args:
        frame: as in :meth:`Rollup.fill`; rows of other systems stay as they are.
        ontologies: one for each system.

    Returns:
        The frame, and ``system, code`` of the unknown ones, each once.
    """
    unknown: list[tuple[str, str]] = []
    for ontology in ontologies:
        mine = pl.lit(value=True) if "system" not in frame.columns else pl.col("system") == ontology.system
        written = frame.filter(mine)["code"].drop_nulls().unique(maintain_order=True).to_list()
        found = {code: ontology.find(code) for code in written}
        unknown += [(ontology.system, code) for code, node in found.items() if node is None and code.strip()]
        changed = {code: node for code, node in found.items() if node != code}
        new = pl.col("code").replace_strict(changed, default=pl.col("code"), return_dtype=pl.String)
        frame = frame.with_columns(pl.when(mine).then(new).otherwise("code").alias("code"))
    return frame, pl.DataFrame(unknown, schema=_UNKNOWN, orient="row")


def old_codes(frame: pl.DataFrame, ontologies: Iterable[Ontology]) -> pl.DataFrame:
    """Returns ``system, code, now, reason``: the codes that are no longer active and what they were rolled up as.

    ``now`` lists active codes; none where nothing is known to have replaced the code, which then reaches nothing.

    Args:
        frame: as in :meth:`Rollup.fill`.
        ontologies: one for each system.
    """
    rows: list[tuple[str, str, list[str], str]] = []
    for ontology in ontologies:
        mine = frame if "system" not in frame.columns else frame.filter(pl.col("system") == ontology.system)
        codes = mine["code"].drop_nulls().unique(maintain_order=True)
        active = ontology.concepts["active"].gather(ontology.rows_of(codes))
        old = codes.filter(~active.fill_null(value=True))
        told = today(old, ontology).group_by("code", maintain_order=True).agg("now", pl.col("reason").first())
        rows += [
            (ontology.system, code, sorted(now for now in found if now), reason)
            for code, found, reason in told.iter_rows()
        ]
    return pl.DataFrame(rows, schema=_OLD, orient="row")


def cut(
    frame: pl.DataFrame, ontologies: Iterable[Ontology], *, threshold: float, how: How = "sum", by: Sequence[str] = ()
) -> pl.DataFrame:
    """The most specific concepts whose support passes a threshold: `rollup.best_cut` in each system.

    Args:
        frame: as in :meth:`Rollup.scores`.
        ontologies: one for each system.
        threshold: least support, in the unit of ``score``.
        how: as in :meth:`Rollup.scores`.
        by: as in :meth:`Rollup.scores`.
    """
    given = {ontology.system: ontology for ontology in ontologies}
    return _by_system(frame, given, lambda rows, o: best_cut(rows, o, threshold=threshold, how=how, by=by))


def _by_system(
    frame: pl.DataFrame, ontologies: Mapping[str, Ontology], work: Callable[[pl.DataFrame, Ontology], pl.DataFrame]
) -> pl.DataFrame:
    if "evidence" in frame.columns:
        evidence = pl.col("evidence").cast(pl.String).fill_null("")
        frame = frame.with_columns(evidence.str.split(" ")).explode("evidence")
        if "note_id" in frame.columns:  # m1 of one note is not m1 of another
            frame = frame.with_columns(pl.concat_str("note_id", "evidence", separator=" ").alias("evidence"))
    parts = []
    for system, ontology in ontologies.items():
        rows = frame if "system" not in frame.columns else frame.filter(pl.col("system") == system)
        parts.append(work(rows, ontology).select(pl.lit(system).alias("system"), pl.all()))
    return pl.concat(parts)


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
        raise UnknownCodeError(
            "codes to roll up to that no ontology holds",
            got=said_codes(unknown, 5),
            expected=f"codes of {', '.join(f'{o.system} {o.release}' for o in given.values())}",
        )
