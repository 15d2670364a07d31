"""Notes as Python programs hold them: dataframes of any library, lists, pairs, dicts, generators, `read_notes`.

All become pairs (note_id, text) of strings, one after another, so that a generator is never read ahead of its batch.
A dataframe that is given is answered with one of the same library, whose ``note_id`` has the type of the given one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import polars as pl

from conceptmap.errors import InputError, check_not_forked, said_columns
from conceptmap.notes.notes import Notes

if TYPE_CHECKING:
    import narwhals as nw
    from narwhals.typing import IntoDataFrame

__all__ = [
    "BATCH_CHARS",
    "Batches",
    "NotesLike",
    "as_given",
    "batches",
    "frame_given",
    "n_given",
    "note_pairs",
    "spans_asked",
]

NotesLike: TypeAlias = "Notes | IntoDataFrame | Mapping[Any, Any] | Iterable[Any]"
"""A dataframe (polars, pandas, pyarrow …) with note_id and text; texts, (note_id, text) pairs, dicts of these two, or a
dict from ids to texts; what `read_notes` gave. Ids are strings or integers; texts without any are numbered from 1."""

Batches: TypeAlias = Iterable[tuple[list[str], list[str]]]
"""Ids and texts of notes that are gone through together."""

BATCH_CHARS = 100_000
"""Notes are encoded together up to this many characters."""

PLACES = {"note_id": pl.String(), "start_char": pl.Int64(), "end_char": pl.Int64()}
"""Columns of given spans."""

_KINDS = "a dataframe with note_id and text, texts, (note_id, text) pairs, dicts, or read_notes(path)"
_ALONE = "pass the column of texts alone to have them numbered"

Pair: TypeAlias = tuple[str, str]


def note_pairs(notes: NotesLike) -> Iterator[Pair]:
    """The notes as (note_id, text), lazily.

    Raises:
        InputError: they are something else, lack a column, or a text is missing; the message says where.

    >>> list(note_pairs(["Fever.", (17, "Cough."), {"note_id": "a", "text": "Asthma."}]))
    [('1', 'Fever.'), ('17', 'Cough.'), ('a', 'Asthma.')]
    """
    check_not_forked()
    if isinstance(notes, pl.DataFrame):
        return _of_columns(notes.columns, notes.get_column)
    if isinstance(notes, Notes):
        return (pair for chunk in notes.chunks() for pair in chunk.select("note_id", "text").iter_rows())
    if isinstance(notes, Mapping):
        return _of_mapping(notes)
    frame = None if isinstance(notes, str | bytes | list | tuple | Iterator) else _narwhal(notes)
    if isinstance(notes, str | bytes) or (frame is None and not isinstance(notes, Iterable)):
        then = "put one text into a list" if isinstance(notes, str) else None
        raise InputError("these are no notes", got=type(notes).__name__, expected=_KINDS, then=then)
    if frame is None:
        return _of_items(cast("Iterable[Any]", notes))
    return _of_items(frame.to_list()) if hasattr(frame, "to_list") else _of_columns(frame.columns, frame.get_column)


def batches(
    pairs: Iterable[Pair], *, notes: int | None = None, chars: int | None = None
) -> Iterator[tuple[list[str], list[str]]]:
    """Ids and texts of bounded size together; a batch is handed out before the pair after it is asked for.

    Args:
        pairs: (note_id, text) each.
        notes: most notes in a batch.
        chars: most code points in a batch of more than one note; BATCH_CHARS by default.

    >>> list(batches([("1", "ab"), ("2", "c"), ("3", "defg")], chars=4))
    [(['1', '2'], ['ab', 'c']), (['3'], ['defg'])]
    """
    note_ids, texts, size = list[str](), list[str](), 0
    chars = BATCH_CHARS if chars is None else chars
    for note_id, text in pairs:
        if texts and size + len(text) > chars:
            yield note_ids, texts
            note_ids, texts, size = [], [], 0
        note_ids.append(note_id)
        texts.append(text)
        size += len(text)
        if len(texts) == notes or size >= chars:
            yield note_ids, texts
            note_ids, texts, size = [], [], 0
    if texts:
        yield note_ids, texts


def n_given(notes: NotesLike) -> int | None:
    """How many notes these are, where that is known beforehand.

    >>> n_given({"note_id": ["a", "b"], "text": ["Fever.", "Cough."]}), n_given(iter(["Fever."])) is None
    (2, True)
    """
    if isinstance(notes, Notes):
        return notes.n_notes
    counted = notes["text"] if isinstance(notes, Mapping) and "text" in notes else notes
    return 1 if isinstance(counted, str) else len(counted) if isinstance(counted, Sized) else None


def spans_asked(notes: NotesLike, spans: IntoDataFrame) -> tuple[list[Pair], dict[str, list[tuple[int, int]]]]:
    """The notes that spans are asked of, and the spans of each.

    Raises:
        InputError: a span of an unknown note, or these are no notes or no spans.
    """
    asked: dict[str, list[tuple[int, int]]] = {}
    for note_id, start, end in frame_given(spans, PLACES, what="spans").iter_rows():
        asked.setdefault(note_id, []).append((start, end))
    known = [pair for pair in note_pairs(notes) if pair[0] in asked]
    if unknown := asked.keys() - {note_id for note_id, _ in known}:
        raise InputError("spans name unknown notes", got=f"{len(unknown):,} such notes")
    return known, asked


def frame_given(frame: object, columns: Mapping[str, pl.DataType], *, what: str) -> pl.DataFrame:
    """The columns of a dataframe of any library as polars', cast; all of them as they are where none is named.

    Raises:
        InputError: it is no dataframe, lacks columns, or a column holds something else.
    """
    known = frame if isinstance(frame, pl.DataFrame) else _dataframe(frame)
    if known is None:
        raise InputError(f"{what} are no dataframe", got=type(frame).__name__, expected="polars, pandas, pyarrow …")
    if missing := [name for name in columns if name not in known.columns]:
        raise InputError(f"{what} lack columns", got=said_columns(known.columns), expected=", ".join(missing))
    if not columns:
        return frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(known.to_dict(as_series=False), strict=False)
    lists = {name: known.get_column(name).to_list() for name in columns}
    texts = {name: _without_nan(values) for name, values in lists.items() if columns[name] == pl.String}
    values = {name: pl.Series(held, strict=False) for name, held in {**lists, **texts}.items()}
    try:
        return pl.DataFrame({name: values[name].cast(dtype) for name, dtype in columns.items()})
    except pl.exceptions.PolarsError:
        expected = ", ".join(f"{name} as {dtype}" for name, dtype in columns.items())
        raise InputError(f"{what} hold values of other types", expected=expected) from None


def _without_nan(values: list[Any]) -> list[Any]:
    """A column of texts with its empty cells as None, which pandas has as NaN.

    >>> _without_nan(["a", float("nan")]), _without_nan([float("nan"), float("nan")]), _without_nan([0.5, 2.0])
    (['a', None], [None, None], [0.5, 2.0])
    """
    held = [None if isinstance(value, float) and value != value else value for value in values]
    return held if all(value is None or isinstance(value, str) for value in held) else values


def as_given(found: pl.DataFrame, notes: object) -> Any:  # noqa: ANN401 - a frame of the library that the notes came in
    """A frame in the library that the notes came in, and with their type of note_id; polars for what is no dataframe.

    >>> as_given(pl.DataFrame({"note_id": ["7"], "code": ["I10"]}), pl.DataFrame({"note_id": [7], "text": [""]})).row(0)
    (7, 'I10')
    """
    if isinstance(notes, pl.DataFrame):
        return _with_ids(found, whole=notes.schema["note_id"].is_integer())
    frame = None if isinstance(notes, Notes | Mapping | str) else _dataframe(notes)
    if frame is None:
        return found
    import narwhals as nw

    found = _with_ids(found, whole=frame.schema["note_id"].is_integer())
    if frame.implementation.is_polars():
        return found
    pandas_like = frame.implementation.is_pandas_like()  # whose booleans hold no null: columns of their own choice
    schema = None if pandas_like else nw.from_native(found).schema
    columns = found.to_dict(as_series=False)
    return nw.from_dict(columns, schema=schema, backend=frame.implementation).to_native()


def _with_ids(found: pl.DataFrame, *, whole: bool) -> pl.DataFrame:
    return found.with_columns(pl.col("note_id").cast(pl.Int64)) if whole and "note_id" in found.columns else found


def _narwhal(notes: object) -> nw.DataFrame[Any] | nw.Series[Any] | None:
    """A dataframe or series as narwhals sees it, a lazy one collected; None where it is neither."""
    import narwhals as nw

    known: Any = nw.from_native(notes, allow_series=True, pass_through=True)
    known = known.collect() if isinstance(known, nw.LazyFrame) else known
    return known if isinstance(known, nw.DataFrame | nw.Series) else None


def _dataframe(given: object) -> nw.DataFrame[Any] | None:
    known: Any = _narwhal(given)
    return known if hasattr(known, "columns") else None


def _of_columns(columns: Iterable[str], column: Any) -> Iterator[Pair]:  # noqa: ANN401 - get_column of polars, narwhals
    names = list(columns)
    if missing := [name for name in ("note_id", "text") if name not in names]:
        raise InputError("notes lack columns", got=said_columns(names), expected=", ".join(missing), then=_ALONE)
    ids, texts = column("note_id").to_list(), column("text").to_list()
    return (_pair(at, note_id, text) for at, (note_id, text) in enumerate(zip(ids, texts, strict=True), 1))


def _of_mapping(notes: Mapping[Any, Any]) -> Iterator[Pair]:
    """Columns, one note, or ids and their texts."""
    if "text" not in notes:
        return (_pair(at, *item) for at, item in enumerate(notes.items(), 1))
    if isinstance(notes["text"], str):
        return iter([_of_item(1, notes)])
    ids, texts = notes.get("note_id"), notes["text"]
    if ids is None:
        return _of_items(texts)
    ids, texts = list(ids), list(texts)
    if len(ids) != len(texts):
        raise InputError("ids and texts do not fit", got=f"{len(ids):,} and {len(texts):,}", expected="as many")
    return (_pair(at, note_id, text) for at, (note_id, text) in enumerate(zip(ids, texts, strict=True), 1))


def _of_items(items: Iterable[Any]) -> Iterator[Pair]:
    return (_of_item(at, item) for at, item in enumerate(items, 1))


def _of_item(at: int, item: object) -> Pair:
    """One of the notes of a list: a text, a pair, or a dict."""
    if isinstance(item, Mapping):
        if "text" not in item:
            got = said_columns(item)
            raise InputError(f"note {at:,} has no text", got=got.replace("column", "key"), expected="note_id and text")
        return _pair(at, item.get("note_id", at), item["text"])
    if isinstance(item, tuple | list):
        if len(item) != 2:
            raise InputError(f"note {at:,} is no pair", got=f"{len(item)} values", expected="(note_id, text)")
        return _pair(at, *item)
    if isinstance(item, str):
        return _pair(at, at, item)
    raise InputError(f"item {at:,} is no note", got=type(item).__name__, expected=_KINDS)


def _pair(at: int, note_id: object, text: object) -> Pair:
    if not isinstance(text, str):
        got = "nothing" if text is None else type(text).__name__
        raise InputError(f"the text of note {at:,} is no text", got=got, expected="a string", then="leave it out")
    if isinstance(note_id, str):
        return str(note_id), str(text)
    if not isinstance(note_id, bool) and isinstance(note_id, int | Integral):
        return str(int(note_id)), str(text)
    got = "nothing" if note_id is None else type(note_id).__name__
    raise InputError(f"the id of note {at:,} is no id", got=got, expected="a string or an integer")
