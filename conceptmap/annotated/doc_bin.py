"""spaCy's ``DocBin``: notes as documents on disk, every mention exactly where it stands.

A mention may begin or end inside a word of spaCy's tokenizer, so the words are cut here: at white space, between
letters and signs, and at the edges of mentions. ``doc.text`` is the note, and ``doc[a:b].text`` the mention.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import polars as pl

from conceptmap.annotated.docs import blank, fill
from conceptmap.annotated.extras import needed

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from conceptmap.annotated.results import Results

__all__ = ["DOCS", "DocFiles", "check_spacy", "document", "words_of"]

DOCS = "docs.spacy"
NOTES_A_FILE = 2_000
"""Notes in a file; a ``DocBin`` is in memory until it is written."""
_WORD = re.compile(r"\w+|[^\w\s]|\s", re.UNICODE)


def check_spacy() -> None:
    """Refuse to begin without spaCy.

    Raises:
        MissingExtraError: it is not installed; the message has the pip command.
    """
    needed("spacy", extra="spacy", purpose="the format spacy")


class DocFiles:
    """``docs.spacy`` and, for more than 2,000 notes, ``docs-0002.spacy`` and so on.

    Attributes:
        counts: notes written.
    """

    def __init__(self, folder: Path) -> None:
        self.counts = {"spacy_docs": 0}
        self.notices: tuple[str, ...] = ()
        self._folder, self._files, self._held = folder, 0, 0
        self._bin = _new_bin()

    def __enter__(self) -> DocFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and (self._held or not self._files):
            self._write_out()

    def write(self, notes: pl.DataFrame, results: Results) -> None:
        """Append notes."""
        frames = (results.mentions, results.tags, results.codes)
        parts = [frame.partition_by("note_id", as_dict=True) for frame in frames]
        for note_id, text in notes.select("note_id", "text").iter_rows():
            mentions, tags, codes = (
                part.get((note_id,), frame.clear()) for part, frame in zip(parts, frames, strict=True)
            )
            self._bin.add(document(note_id, text, mentions=mentions, tags=tags, codes=codes))
            self.counts["spacy_docs"] += 1
            self._held += 1
            if self._held >= NOTES_A_FILE:
                self._write_out()

    def _write_out(self) -> None:
        self._files += 1
        name = DOCS if self._files == 1 else f"docs-{self._files:04}.spacy"
        (self._folder / name).write_bytes(self._bin.to_bytes())
        self._bin, self._held = _new_bin(), 0


def _new_bin() -> Any:  # noqa: ANN401 - spaCy ships no types
    tokens = needed("spacy.tokens", extra="spacy", purpose="the format spacy")
    return tokens.DocBin(attrs=["ENT_IOB", "ENT_TYPE", "ENT_KB_ID"], store_user_data=True)


def document(note_id: str, text: str, *, mentions: pl.DataFrame, tags: pl.DataFrame, codes: pl.DataFrame) -> Doc:
    """The document of one note; ``doc.user_data["note_id"]`` is its id."""
    tokens = needed("spacy.tokens", extra="spacy", purpose="the format spacy")
    edges = {edge for name in ("start_char", "end_char") for edge in mentions[name]}
    words, spaces = words_of(text, edges)
    doc: Doc = tokens.Doc(blank().vocab, words=words, spaces=spaces)
    doc.user_data["note_id"] = note_id
    return fill(doc, mentions=mentions, tags=tags, codes=codes)


def words_of(text: str, edges: set[int]) -> tuple[list[str], list[bool]]:
    r"""The words of a text, and which of them a single space follows, as spaCy builds documents of.

    >>> words_of("no CHF,  x\n", {3, 5})
    (['no', 'CH', 'F', ',', ' ', 'x', '\n'], [True, False, False, True, False, False, False])
    """
    words: list[str] = []
    spaces: list[bool] = []
    cuts = sorted(edges)
    for match in _WORD.finditer(text):
        start, end = match.span()
        inside = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
        if match[0] == " " and words and not spaces[-1] and words[-1] != " ":
            spaces[-1] = True
            continue
        for first, last in zip([start, *inside], [*inside, end], strict=True):
            words.append(text[first:last])
            spaces.append(False)
    return words, spaces
