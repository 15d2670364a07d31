"""What is wrong, note by note: codes and mentions that are missed or invented, and how near an invented one came.

Kinds, the nearest first: ``other release`` (one code replaced the other), ``parent`` (what was predicted is above what
is right: too general), ``child`` (below it: too specific), ``sibling`` (they share a parent), ``category`` (another of
the category's codes), and where nothing is near ``missed``, ``invented`` and, of mentions, ``other code``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.evaluation.coders import coders_of
from conceptmap.evaluation.mentions import GoldMentions, pairs_of
from conceptmap.frames import frame_of

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = ["ERRORS", "NEAR", "Relation", "code_errors", "mention_errors", "relation"]

NEAR = ("other release", "parent", "child", "sibling", "category")
ERRORS = pl.Schema(
    {
        "note_id": pl.String,
        "error": pl.String,
        "gold_code": pl.String,
        "gold_name": pl.String,
        "code": pl.String,
        "name": pl.String,
        "text": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
    }
)
"""A row per error; ``text`` is the note's at the mention, as far as the tables given have it."""
Relation = Callable[[str, str], "str | None"]
_PAIR = ["note_id", "code"]


def relation(ontology: Ontology | None) -> Relation:
    """From a predicted and a right code to how near the one is to the other: one of `NEAR`, None where it is not.

    Without an ontology codes are near by how they are written: ICD's longer codes stand below shorter ones.

    >>> near = relation(None)
    >>> near("E11", "E11.9"), near("E11.22", "E11.9"), near("I10", "E11.9")
    ('parent', 'category', None)
    """
    return _by_spelling if ontology is None else _by_hierarchy(ontology)


def _by_spelling(code: str, right: str) -> str | None:
    one, two = (text.upper().replace(".", "") for text in (code, right))
    if two.startswith(one):
        return "parent"
    if one.startswith(two):
        return "child"
    if min(len(one), len(two)) > 3 and one[:-1] == two[:-1]:
        return "sibling"
    return "category" if one[:3] == two[:3] else None


def _by_hierarchy(ontology: Ontology) -> Relation:
    dag, positions = ontology.dag_with_history, ontology.positions
    starts, flat = dag.up.lists
    kinds = ontology.concepts["kind"].to_list()

    @cache
    def today(code: str) -> tuple[str | None, frozenset[int]]:
        node = ontology.find(code)
        nodes = frozenset() if node is None else ontology.current(node) or frozenset((node,))
        return node, frozenset(positions[one] for one in nodes)

    def parents(nodes: Iterable[int]) -> set[int]:
        return {parent for node in nodes for parent in flat[starts[node] : starts[node + 1]]}

    def above(nodes: Iterable[int]) -> set[int]:
        return {over for node in nodes for over in dag.up.reached(node)}

    @cache
    def near(code: str, right: str) -> str | None:
        (one, mine), (two, theirs) = today(code), today(right)
        if not mine or not theirs:
            return None
        if mine & theirs:
            return "other release" if one != two else None
        if mine & above(theirs):
            return "parent"
        if theirs & above(mine):
            return "child"
        if parents(mine) & parents(theirs):
            return "sibling"
        shared = (above(mine) | mine) & (above(theirs) | theirs)
        return "category" if any(kinds[node] == "category" for node in shared) else None

    return near


def code_errors(
    gold: pl.DataFrame, predicted: pl.DataFrame, *, notes: Sequence[str], ontology: Ontology | None = None
) -> pl.DataFrame:
    """Returns the errors among the codes of notes: schema ``ERRORS``.

    An invented code and a missed one that is near to it are one row; each takes part in one row, the nearest first.
    Against several coders a code is missed that all have, and invented that none has.

    Args:
        gold: ``note_id, code`` and, where known, ``name``, ``coder``.
        predicted: ``note_id, code`` and, where known, ``name``, ``text``, ``start_char``.
        notes: ids of the notes that count.
        ontology: says what is near, and the names.
    """
    sides = [_keyed(side).unique(["note_id", "key"], maintain_order=True) for side in coders_of(gold)]
    every, shared = pl.concat(sides, how="diagonal"), sides[0]
    for side in sides[1:]:
        shared = shared.join(side, on=["note_id", "key"], how="semi")
    found = _keyed(predicted).unique(["note_id", "key"], maintain_order=True)
    missed = shared.join(found, on=["note_id", "key"], how="anti")
    invented = found.join(every, on=["note_id", "key"], how="anti")
    names = _names(ontology, gold, predicted)
    near = relation(ontology)
    by_note = {side: frame.partition_by("note_id", as_dict=True) for side, frame in (("m", missed), ("i", invented))}
    rows: list[tuple[object, ...]] = []
    for note in notes:
        wanted = by_note["m"].get((note,), missed.clear())["code"].to_list()
        extra = by_note["i"].get((note,), invented.clear())
        places = {row["code"]: (row.get("text"), row.get("start_char")) for row in extra.iter_rows(named=True)}
        for kind, right, code in _matched(wanted, extra["code"].to_list(), near):
            text, start = places.get(code or "", (None, None))
            at = None if start is None else int(start)
            rows.append((note, kind, right, names(right), code, names(code), text, at, None))
    return frame_of(rows, ERRORS)


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    key = pl.col("code").str.to_uppercase().str.replace_all(r"[\s.]", "")
    return frame.drop_nulls(_PAIR).with_columns(key=key)


def _names(ontology: Ontology | None, *tables: pl.DataFrame) -> Callable[[str | None], str | None]:
    """The name of a code: as the tables have it, else the ontology's."""
    known: dict[str, str] = {}
    for table in tables:
        if "name" in table.columns:
            known |= dict(table.select("code", "name").drop_nulls().iter_rows())

    def name(code: str | None) -> str | None:
        if code is None or code in known or ontology is None:
            return known.get(code or "")
        node = ontology.find(code)
        return None if node is None else str(ontology.concepts["name"][ontology.positions[node]])

    return name


def _matched(wanted: Sequence[str], extra: Sequence[str], near: Relation) -> list[tuple[str, str | None, str | None]]:
    """Kind, right code and predicted code of every row of a note."""
    pairs = [(NEAR.index(kind), a, b) for a in wanted for b in extra if (kind := near(b, a)) is not None]
    rows: list[tuple[str, str | None, str | None]] = []
    used: set[tuple[str, str]] = set()
    for nearness, a, b in sorted(pairs):
        if not used & {("gold", a), ("guess", b)}:
            used |= {("gold", a), ("guess", b)}
            rows.append((NEAR[nearness], a, b))
    rows += [("missed", a, None) for a in wanted if ("gold", a) not in used]
    return rows + [("invented", None, b) for b in extra if ("guess", b) not in used]


def mention_errors(
    gold: GoldMentions,
    predicted: pl.DataFrame,
    *,
    ontology: Ontology | None = None,
    texts: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Returns the errors among mentions: schema ``ERRORS``.

    A prediction that overlaps gold mentions and is right for none of them has the nearest of their codes beside it; any
    other gold mention that is not found is missed, any other prediction invented.

    Args:
        gold: what should be found.
        predicted: ``note_id, start_char, end_char, code`` and, where known, ``rank``, ``name``, ``text``.
        ontology: says what is near, and the names.
        texts: of the notes, by id.
    """
    pairs = pairs_of(gold, predicted)
    near, names = relation(ontology), _names(ontology, predicted)
    right = pl.col("guess").is_in(pairs.touched.filter("right")["guess"].unique().implode())
    rows: list[tuple[object, ...]] = []

    def add(kind: str, note: str, start: int, end: int, right: str | None, code: str | None) -> None:
        said = (texts or {}).get(note, "")[start:end] or None
        rows.append((note, kind, right, names(right), code, names(code), said, start, end))

    wrong = pairs.touched.filter(~right).sort("guess", "mention")
    told = pl.concat((pairs.touched.filter("right"), wrong))
    for (_,), group in wrong.group_by(["guess"], maintain_order=True):
        note, start, end, code = group.select("note_id", "start_char", "end_char", "code").row(0)
        choices = [(near(code or "", other), other) for codes in group["codes"] for other in codes]
        kind, best = min(choices, key=lambda choice: NEAR.index(choice[0]) if choice[0] else len(NEAR))
        add(kind or "other code", note, start, end, best, code)
    for row in pairs.gold.join(told, on="mention", how="anti").iter_rows(named=True):
        add("missed", row["note_id"], row["start_char"], row["end_char"], row["codes"][0], None)
    for row in pairs.guesses.join(pairs.touched, on="guess", how="anti").iter_rows(named=True):
        add("invented", row["note_id"], row["start_char"], row["end_char"], None, row["code"])
    return frame_of(rows, ERRORS).sort("note_id", "start_char", "end_char", maintain_order=True)
