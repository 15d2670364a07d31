"""Which columns of a table of notes are the id and the text, and under which names the others are known."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from conceptmap.errors import InputError, said_columns, said_id

__all__ = ["AS_IT_IS", "KNOWN", "TableFormat", "is_header", "may_be_numbered", "named", "renamed", "require_columns"]

KNOWN = ("note_id", "text", "person_id", "encounter_id", "note_date", "sex", "birth_date", "age_years")
"""The columns that mean something to us; the rest is carried along."""
_ALIASES = {
    "note_id": ("id", "noteid", "row_id", "doc_id", "document_id", "file", "filename"),
    "text": ("note", "note_text", "body", "content", "report", "document", "narrative", "notes", "txt"),
}
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How a table of notes is to be read, where it does not say so itself.

    Attributes:
        id_column: the column that holds the id; by default ``note_id``, in any case, or the rows are numbered.
        text_column: the column that holds the text; by default ``text``, in any case.
        encoding: of CSV, JSONL and ``.txt``.
    """

    id_column: str | None = None
    text_column: str | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            expected = "one that Python knows, such as utf-8, cp1252, utf-16"
            raise InputError("no such encoding", got=said_id(self.encoding), expected=expected) from None

    def chosen(self, column: str) -> str | None:
        """The name that was given for ``note_id`` or ``text``."""
        return {"note_id": self.id_column, "text": self.text_column}.get(column)


AS_IT_IS = TableFormat()


def named(name: str, columns: Sequence[str], how: TableFormat = AS_IT_IS) -> tuple[str, ...]:
    """The columns of a table under our names.

    Without ``note_id``, and without a column that may have been meant, the rows are to be numbered.

    Args:
        name: the file's, for messages.
        columns: as the table has them.
        how: which of them are what.

    Raises:
        InputError: says which columns there are, and which one was probably meant.

    >>> named("notes.csv", ["Note ID", "TEXT", "Ward"])
    ('note_id', 'text', 'Ward')
    >>> named("notes.csv", ["id", "note_text", "sex"])
    Traceback (most recent call last):
        ...
    conceptmap.errors.InputError: notes.csv lacks the columns note_id and text: got 3 columns, expected note_id and
        text among them; rename 'id' to 'note_id' and 'note_text' to 'text', or name them (--id-column, --text-column)
    """
    for wanted in filter(None, (how.id_column, how.text_column)):
        if not any(alike(column, wanted) for column in columns):
            got = f"{said_columns(columns)} without it"
            raise InputError(f"{name} has no column {said_id(wanted) or 'of that name'}", got=got)
    out = renamed(columns, how)
    places: dict[str, int] = {}
    for place, column in enumerate(out, 1):
        if (first := places.setdefault(column, place)) != place:
            got = f"columns {first} and {place} of {len(columns)}"
            raise InputError(f"{name} has columns of the same name", got=got, then="rename them")
    require_columns(name, out, numbered=may_be_numbered(out))
    return out


def may_be_numbered(columns: Sequence[str]) -> bool:
    """Whether rows get their numbers for ids: there is no column of ids, nor one that was probably meant for them.

    >>> may_be_numbered(["text", "ward"]), may_be_numbered(["text", "id"])
    (True, False)
    """
    return "note_id" not in columns and _likely("note_id", columns) is None


def renamed(columns: Sequence[str], how: TableFormat = AS_IT_IS) -> tuple[str, ...]:
    """Columns under our names: those that were chosen, else those that differ from ours in case, blanks and hyphens.

    >>> renamed(["Text", "SEX", "ward"]), renamed(["body", "text"], TableFormat(text_column="Body"))
    (('text', 'sex', 'ward'), ('text', 'text'))
    """
    ours: dict[int, str] = {}
    for name in KNOWN:
        wanted = how.chosen(name) or name
        exact = [place for place, column in enumerate(columns) if column == wanted]
        ours |= dict.fromkeys(exact or (p for p, column in enumerate(columns) if alike(column, wanted)), name)
    return tuple(ours.get(place, column) for place, column in enumerate(columns))


def require_columns(name: str, columns: Sequence[str], *, numbered: bool = False) -> None:
    """Refuse columns without ``text``, or without ``note_id`` where the rows are not numbered.

    Raises:
        InputError: says which columns there are, and which one was probably meant.
    """
    wanted = ("text",) if numbered and "text" in columns else ("note_id", "text")
    if missing := [column for column in wanted if column not in columns]:
        raise _lacking(name, columns, missing)


def is_header(columns: Sequence[str], how: TableFormat = AS_IT_IS) -> bool:
    """Whether cells are the names of the columns of a table of notes, perhaps misnamed; else they may be anything.

    >>> is_header(["note_id", "body"]), is_header(["Seen for fever", " cough and a rash."])
    (True, False)
    """
    wanted = [how.chosen(column) or column for column in ("note_id", "text")]
    return any(alike(column, want) for column in columns for want in wanted) or any(
        _likely(column, columns) for column in ("note_id", "text")
    )


def alike(one: str, other: str) -> bool:
    """Whether two names differ at most in case, blanks and hyphens."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name[:_LONGEST_NAME].strip().lower().replace(" ", "_").replace("-", "_")


def _lacking(name: str, columns: Sequence[str], missing: Sequence[str]) -> InputError:
    hints = [f"{likely} to {column!r}" for column in missing if (likely := _likely(column, columns))]
    options = " and ".join(f"--{'id' if column == 'note_id' else 'text'}-column" for column in missing)
    options = options.replace(" and ", ", ")
    advice = f"rename {' and '.join(hints)}, or name" if hints else "name"
    return InputError(
        f"{name} lacks the column{'s' * (len(missing) > 1)} {' and '.join(missing)}",
        got=said_columns(columns),
        expected="note_id and text among them",
        then=f"{advice} {'them' if len(missing) > 1 else 'it'} ({options})",
    )


def _likely(wanted: str, columns: Sequence[str]) -> str | None:
    """The column that probably holds ``wanted``: by one of our names for it, else by its place, never as it is."""
    places = {_plain(column): place for place, column in enumerate(columns, 1)}
    for alias in (wanted, *_ALIASES[wanted]):
        if alias in places:
            return repr(alias)
    close = difflib.get_close_matches(wanted, list(places), n=1, cutoff=0.75)
    return f"column {places[close[0]]}" if close else None
