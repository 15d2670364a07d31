"""AnnotatedNote: one note with its tags, mentions and codes, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from conceptmap.annotated.views import best, code_lines
from conceptmap.errors import InputError, counted
from conceptmap.frames import ANNOTATIONS, CODES, MENTIONS, TAGS

if TYPE_CHECKING:
    import pandas as pd
    from spacy.language import Language
    from spacy.tokens import Doc

__all__ = ["AnnotatedNote", "as_pandas"]

FILES = {"codes.csv": CODES, "mentions.csv": MENTIONS, "annotations.csv": ANNOTATIONS, "tags.csv": TAGS}
"""The tables that `save` writes, in the order of columns that a run writes them in."""


@dataclass(frozen=True, eq=False)
class AnnotatedNote:
    """One note with its tags, mentions and codes; shows itself with every mention marked in a notebook.

    The frames have text, code and name first; ``best`` has one row a mention.

    Attributes:
        note_id: as given.
        text: as given.
        tags: columns of ``frames.TAGS``.
        mentions: columns of ``frames.ANNOTATIONS``.
        codes: columns of ``frames.CODES``.
        path: for a system and a code its path from the root, (code, name) each.
    """

    note_id: str
    text: str
    tags: pl.DataFrame
    mentions: pl.DataFrame
    codes: pl.DataFrame
    path: Callable[[str, str], list[tuple[str, str]]]

    def __repr__(self) -> str:
        sizes = {"character": len(self.text), "mention": self.best.height, "code": self.codes.height}
        size = ", ".join(counted(n, what) for what, n in sizes.items())
        return "\n".join([f"AnnotatedNote({self.note_id!r}, {size})", *code_lines(self.codes)])

    def _repr_html_(self) -> str:
        from conceptmap.export.html import note_part
        from conceptmap.export.paths import paths_of

        return note_part(self, path=paths_of(self.path))

    @cached_property
    def best(self) -> pl.DataFrame:
        """One row a mention, its best concept only: text, code, name, confidence, context and where it stands."""
        return best(self.mentions)

    def to_html(self) -> str:
        """A page of its own: the note with every word explained; needs no script and loads nothing."""
        from conceptmap.export.html import report
        from conceptmap.export.paths import paths_of

        return report([self], path=paths_of(self.path), title=self.note_id)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: note_id, text, mentions with their ranked concepts, codes."""
        of_concept = ("rank", "system", "code", "name", "confidence", "score", "evidence", "why")
        mentions: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.mentions.iter_rows(named=True):
            concept = {name: row.pop(name) for name in of_concept if name in row}
            mention = {name: value for name, value in row.items() if name not in ("note_id", "probability")}
            known = mentions.setdefault((row["mention_id"], concept["system"]), {**mention, "concepts": []})
            if concept["code"] is not None:
                known["concepts"].append(concept)
        codes = self.codes.drop("note_id").to_dicts()
        return {"note_id": self.note_id, "text": self.text, "mentions": list(mentions.values()), "codes": codes}

    def to_pandas(self, table: str = "codes") -> pd.DataFrame:
        """One of ``codes``, ``mentions``, ``tags`` and ``best`` as a pandas frame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        tables = {"codes": self.codes, "mentions": self.mentions, "tags": self.tags, "best": self.best}
        return as_pandas(tables, table)

    def doc(self, nlp: Language | None = None) -> Doc:
        """A spaCy document: mentions as ``doc.ents``, with what `conceptmap.pipelines.spacy` says of them.

        Args:
            nlp: the pipeline whose tokenizer cuts the text; by default English without a model.

        Raises:
            MissingExtraError: spaCy is not installed.
        """
        from conceptmap.annotated.docs import blank, fill

        doc = (nlp or blank()).make_doc(self.text)
        return fill(doc, mentions=self.mentions, tags=self.tags, codes=self.codes)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the tables of a run, ``tags.csv`` where there are any, and the page ``note.html`` into a folder.

        Args:
            folder: made where it is not there.
            overwrite: replace files of these names.

        Raises:
            InputError: such a file is there, or the folder cannot be written to.
            OutOfSpaceError: the disk is full.
        """
        from conceptmap.export.csv import csv_bytes
        from conceptmap.export.mentions import best_mentions
        from conceptmap.files import atomic_file, make_folder, writing

        target = Path(folder)
        note = pl.DataFrame({"note_id": [self.note_id], "text": [self.text]})
        frames = {"codes.csv": self.codes, "mentions.csv": best_mentions(self.mentions, self.codes, note)}
        frames |= {"annotations.csv": self.mentions, "tags.csv": self.tags}
        data = {
            name: csv_bytes(frames[name].select(schema.names()))
            for name, schema in FILES.items()
            if name != "tags.csv" or self.tags.height
        }
        data["note.html"] = self.to_html().encode()
        if not overwrite and (there := [name for name in data if (target / name).exists()]):
            got = f"{', '.join(there)} in it"
            raise InputError(f"{target} is not free", got=got, then="pass overwrite=True, or choose another folder")
        with writing(target):
            make_folder(target)
        for name, content in data.items():
            with atomic_file(target / name) as file:
                file.write(content)
        return [target / name for name in data]


def as_pandas(tables: Mapping[str, pl.DataFrame], table: str) -> pd.DataFrame:
    """One of the tables as a pandas frame, with or without pyarrow.

    Raises:
        InputError: there is no such table.
        MissingExtraError: pandas is not installed.
    """
    if table not in tables:
        raise InputError("no such table", got=repr(table), expected=", ".join(tables))
    from conceptmap.annotated.extras import needed

    return needed("pandas", extra="pandas", purpose="a pandas frame").DataFrame(tables[table].to_dict(as_series=False))
