"""The files of a run while they are written, whatever their format: shard by shard, in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.annotated.doc_bin import DocFiles
from conceptmap.batch.mapped import MAPPED_CODES, CodeMap
from conceptmap.batch.settings import Settings
from conceptmap.export.brat import BratFiles
from conceptmap.export.corpora.cas import CasFile
from conceptmap.export.corpora.pubtator import BiocFile, PubtatorFile
from conceptmap.export.fhir import FhirFile
from conceptmap.export.mentions import best_mentions
from conceptmap.export.omop import ConceptIds, OmopFiles
from conceptmap.export.omop_conditions import ConditionFile
from conceptmap.export.paths import paths_of
from conceptmap.export.report.marks import NoteView
from conceptmap.export.report.pages import ReportFiles
from conceptmap.export.tables import TableFiles
from conceptmap.export.wide import WIDE_COLUMNS, WideFiles
from conceptmap.export.workbook import WorkbookFile
from conceptmap.frames import ANNOTATIONS, CODES, CODES_ROLLED_UP, MENTIONS, SITUATIONS, TAGS
from conceptmap.notes.notes import BadNote, Notes

if TYPE_CHECKING:
    from conceptmap.mapper import ConceptMapper, Results

__all__ = ["Outputs", "carried_names"]

Document = (
    OmopFiles
    | ConditionFile
    | FhirFile
    | BratFiles
    | WideFiles
    | WorkbookFile
    | PubtatorFile
    | BiocFile
    | CasFile
    | DocFiles
)
CARRYING = ("annotations", "mentions", "codes")
"""Tables whose rows repeat the note's carried columns."""


@dataclass(frozen=True)
class Outputs:
    """The files that are being written.

    Attributes:
        tables: by name.
        documents: files of other formats, each with ``write``.
        report: the HTML report.
        carried: new names of the carried columns by their old ones.
        code_map: where codes are mapped to.
        situated: gives the rows of ``situations`` for mentions, where they are asked for.
    """

    tables: Mapping[str, TableFiles]
    documents: tuple[Document, ...]
    report: ReportFiles | None
    carried: Mapping[str, str]
    code_map: CodeMap | None
    situated: Callable[[pl.DataFrame], pl.DataFrame] | None
    stack: ExitStack

    @classmethod
    def open(
        cls,
        staging: Path,
        notes: Notes,
        mapper: ConceptMapper,
        settings: Settings,
        ids: ConceptIds | None,
        code_map: CodeMap | None = None,
    ) -> Outputs:
        """Begin files in a folder."""
        carried = carried_names(notes)
        kept = {new: notes.schema[old] for old, new in carried.items()}
        of_codes = CODES if settings.rollup is None else CODES_ROLLED_UP
        schemas = {"annotations": ANNOTATIONS, "mentions": MENTIONS, "codes": of_codes}
        schemas = {name: pl.Schema({**schema, **kept}) for name, schema in schemas.items()}
        schemas |= {"tags": TAGS} if settings.tags else {}
        schemas |= {"candidates": of_codes} if settings.candidates else {}
        schemas |= {"mapped": MAPPED_CODES} if code_map is not None else {}
        schemas |= {"situations": SITUATIONS} if settings.situations else {}
        with ExitStack() as stack:
            options = {"formats": settings.formats, "spreadsheet_safe": settings.spreadsheet_safe}
            tables = {
                name: stack.enter_context(TableFiles(staging, name, schema, **options))  # type: ignore[arg-type]
                for name, schema in schemas.items()
            }
            documents = tuple(_documents(stack, staging, notes, settings, ids))
            documents += tuple(_for_people(stack, staging, settings, schemas, pl.Schema(kept)))
            report = None
            if "html" in settings.formats:
                path = paths_of(mapper.path, mapper.indexes)
                report = ReportFiles(staging, n_notes=notes.n_notes, path=path, title=f"{notes.source}, coded")
            nearest = settings.situations == "nearest"
            situated = partial(mapper.situations, nearest=nearest) if settings.situations else None
            return cls(tables, documents, report, carried, code_map, situated, stack.pop_all())

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, trace)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of every table, and what the other formats count."""
        counts = {name: table.rows for name, table in self.tables.items()}
        return counts | {name: n for document in self.documents for name, n in document.counts.items()}

    @property
    def notices(self) -> tuple[str, ...]:
        """What somebody who uses these files should know."""
        return tuple(notice for document in self.documents for notice in document.notices)

    def write(self, notes: pl.DataFrame, results: Results) -> None:
        """Append the rows of some notes."""
        frames = {
            "annotations": results.mentions,
            "mentions": best_mentions(results.mentions, results.codes, notes),
            **{name: getattr(results, name) for name in ("codes", "tags", "candidates")},
        }
        if self.code_map is not None:
            frames["mapped"] = self.code_map.rows(notes, results)
        if self.situated is not None:
            frames["situations"] = self.situated(results.mentions)
        kept = notes.select("note_id", *(pl.col(old).alias(new) for old, new in self.carried.items()))
        for name in CARRYING if self.carried else ():
            frames[name] = frames[name].join(kept, on="note_id", how="left", maintain_order="left")
        for name, table in self.tables.items():
            table.write(frames[name])
        for document in self.documents:
            if isinstance(document, FhirFile | ConditionFile):
                document.write(notes, results.mentions, results.codes)
            elif isinstance(document, DocFiles):
                document.write(notes, results)
            elif isinstance(document, WideFiles):
                document.write(kept, results.codes)
            elif isinstance(document, WorkbookFile):
                document.write(kept.with_columns(notes["text"]), frames["mentions"], frames["codes"])
            else:
                document.write(notes, results.mentions)
        if self.report is not None:
            self.report.write(_views(notes, results))

    def finish(self, mapper: ConceptMapper, quarantined: tuple[BadNote, ...]) -> None:
        """Write what can only be written at the end."""
        if self.report is None:
            return
        facts = [f"{index.system} {index.release}" for index in mapper.indexes]
        facts.append(f"encoder {mapper.encoder.name}" if mapper.encoder is not None else "lexical evidence alone")
        self.report.finish(facts=facts, quarantined=[asdict(bad) for bad in quarantined])


def _documents(
    stack: ExitStack, staging: Path, notes: Notes, settings: Settings, ids: ConceptIds | None
) -> Iterator[Document]:
    if "omop" in settings.formats:
        yield stack.enter_context(
            OmopFiles(
                staging,
                ids=ids,
                date=settings.date,
                integer_ids=notes.integer_ids,
                spreadsheet_safe=settings.spreadsheet_safe,
            )
        )
        safe = settings.spreadsheet_safe
        yield stack.enter_context(ConditionFile(staging, ids=ids, date=settings.date, spreadsheet_safe=safe))
    if "pubtator" in settings.formats:
        yield stack.enter_context(PubtatorFile(staging))
    if "bioc" in settings.formats:
        yield stack.enter_context(BiocFile(staging))
    if "cas" in settings.formats:
        yield stack.enter_context(CasFile(staging))
    if "spacy" in settings.formats:
        yield stack.enter_context(DocFiles(staging))
    if "fhir" in settings.formats:
        yield stack.enter_context(FhirFile(staging))
    if "brat" in settings.formats:
        yield stack.enter_context(BratFiles(staging, spreadsheet_safe=settings.spreadsheet_safe))


def _for_people(
    stack: ExitStack, staging: Path, settings: Settings, schemas: Mapping[str, pl.Schema], kept: pl.Schema
) -> Iterator[Document]:
    """Files with the notes' carried columns."""
    if "wide" in settings.formats:
        yield stack.enter_context(WideFiles(staging, kept, spreadsheet_safe=settings.spreadsheet_safe))
    if "xlsx" in settings.formats:
        columns = {name: schemas[name].names() for name in ("codes", "mentions")}
        yield stack.enter_context(WorkbookFile(staging, **columns, carried=kept.names()))


def carried_names(notes: Notes) -> dict[str, str]:
    """Names for the carried columns beside our own: one that we use gets ``note_`` before it.

    >>> from conceptmap.notes.notes import Notes
    >>> schema = pl.Schema({"note_id": pl.String, "text": pl.String, "ward": pl.String, "code": pl.String})
    >>> carried_names(Notes("notes.csv", schema, 0, 0, ()))
    {'ward': 'ward', 'code': 'note_code'}
    """
    ours = {*ANNOTATIONS, *MENTIONS, *CODES, *WIDE_COLUMNS}
    taken = {*ours, *notes.carried}
    names = {}
    for name in notes.carried:
        new = name
        while new in ours or (new != name and new in taken):
            new = f"note_{new}"
        names[name] = new
    return names


def _views(notes: pl.DataFrame, results: Results) -> Iterator[NoteView]:
    """The notes of a shard, each with its own rows."""
    frames = (results.mentions, results.codes, results.tags)
    parts = [frame.partition_by("note_id", as_dict=True) for frame in frames]
    for note in notes.iter_rows(named=True):
        mentions, codes, tags = (
            part.get((note["note_id"],), frame.clear()) for part, frame in zip(parts, frames, strict=True)
        )
        yield NoteView(note["note_id"], note["text"], mentions, codes, tags, _said_of(note))


def _said_of(note: Mapping[str, object]) -> tuple[str, ...]:
    """What the report shows of a note beside its id."""
    known = {"note_date": "{}", "sex": "sex {}", "age_years": "age {}"}
    return tuple(form.format(note[name]) for name, form in known.items() if note.get(name) not in (None, ""))
