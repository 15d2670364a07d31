"""``conceptmap search``: find notes by meaning, and see why they were found."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_encoder_options,
    add_table_output,
    check_out,
    report_quarantine,
    say,
    show,
    write_out,
)
from conceptmap.commands.options.notes import NOTES_HELP, add_note_options, notes_of
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.tables import aligned, read_table, terminal_width
from conceptmap.errors import InputError, counted
from conceptmap.progress import progress_bar

if TYPE_CHECKING:
    from conceptmap.mapper import ConceptMapper
    from conceptmap.retrieval.found_notes import FoundNotes
    from conceptmap.retrieval.search import NoteSearch

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "search", run, summary="find notes by meaning, and see why")
    parser.add_argument("query", metavar="QUERY", nargs="?", default="", help="words, a sentence; none: index only")
    parser.add_argument("--code", action=Repeated, default=(), metavar="CODE", help="also look for what a code means")
    parser.add_argument("--notes", metavar="NOTES", help=NOTES_HELP)
    parser.add_argument(
        "--index", metavar="FOLDER", help="keep the index there, texts included; brought up to date with --notes"
    )
    parser.add_argument("-k", type=int, default=10, metavar="K", help="notes (default 10)")
    parser.add_argument("--why", action="store_true", help="what matched what, and the concepts that both stand for")
    _add_ways(parser)
    parser.add_argument("--rerank", metavar="NOTES.csv", help="only these notes, column note_id: candidates to reorder")
    parser.add_argument("--html", metavar="PAGE.html", help="also write a page")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument(
        "--encoder", metavar="NAME|PATH", help="embedded (default), a model folder or a hub name; ColBERT folders too"
    )
    parser.add_argument(
        "--vectors",
        choices=["auto", "projected", "tokens", "passages"],
        default="auto",
        help="projected: a ColBERT folder's; tokens: the encoder's own; passages: one sentence vector each; "
        "auto (default): projected where there is a projection, else tokens",
    )
    parser.add_argument(
        "--ontology", action=Repeated, default=["icd10cm"], metavar="INDEX", help="of --code and --why, as for code"
    )
    add_table_output(parser, "HITS.csv")
    add_note_options(parser)
    add_encoder_options(parser)


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """Which notes may answer, and how they are looked for."""
    parser.add_argument(
        "--concept",
        action=Repeated,
        default=(),
        metavar="CODE",
        help="only notes that mention this code or one below it; may be repeated: all of them",
    )
    parser.add_argument(
        "--affirmed", action="store_true", help="denied mentions do not count, and their words take no part"
    )
    parser.add_argument(
        "--by",
        choices=["vectors", "words", "both"],
        default="vectors",
        help="words: BM25; both: the two rankings fused by reciprocal rank (extra retrieval)",
    )
    parser.add_argument(
        "--stage",
        choices=["auto", "exact", "muvera"],
        default="auto",
        help="how candidates are chosen; auto (default): muvera, one vector a passage, above two million rows",
    )
    parser.add_argument("--names", action="store_true", help="search concept names of --ontology instead of notes")


def run(args: argparse.Namespace) -> int:
    """Index what is new, and search."""
    if args.names:
        return _names(args)
    _check(args)
    for path in (args.output, args.html or "-"):
        check_out(path, overwrite=args.overwrite)
    search, exit_code = _opened(args)
    if not args.query.strip() and not args.code:
        say(f"{counted(search.collection.n_notes, 'note')} indexed; give a QUERY to search them")
        return exit_code
    if args.rerank:
        wanted = read_table(args.rerank, ("note_id",))["note_id"].drop_nulls().to_list()
        found = search.rerank(args.query, wanted, args.k, codes=args.code)
    else:
        ways = {"concepts": args.concept, "affirmed": args.affirmed, "by": args.by, "stage": args.stage}
        found = search.search(args.query, args.k, codes=args.code, **ways)
    _write(args, search, found)
    return exit_code


def _names(args: argparse.Namespace) -> int:
    """Search the concept names of the indexes."""
    from conceptmap.export.csv import csv_bytes
    from conceptmap.mapper import ConceptMapper
    from conceptmap.retrieval.names import NameSearch

    check_out(args.output, overwrite=args.overwrite)
    encoder = None if args.by == "words" else args.encoder or "embedded"
    mapper = ConceptMapper.load(*args.ontology, encoder=encoder, device=args.device, dtype=args.dtype)
    found = NameSearch(mapper.indexes, mapper.encoder).search(args.query, args.k, by=args.by)
    if args.output != "-":
        table = csv_bytes(found, safe=args.spreadsheet_safe)
        write_out(args.output, table, overwrite=args.overwrite, group_readable=args.group_readable)
    elif args.json:
        show(json.dumps(found.to_dicts(), ensure_ascii=False, indent=1))
    else:
        rows = [("rank", "code", "score", "words", "name (term)")]
        for row in found.iter_rows(named=True):
            term = row["name"] if row["term"] == row["name"] else f"{row['name']} ({row['term']})"
            cosine, bm25 = ("" if row[name] is None else f"{row[name]:.3f}" for name in ("score", "words"))
            rows.append((str(row["rank"]), f"{row['system']}:{row['code']}", cosine, bm25, term))
        show("\n".join(aligned(rows, terminal_width())))
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.k < 1:
        raise InputError("-k must be at least 1", got=args.k)
    if not args.notes and not args.index:
        raise InputError("there is nothing to search", expected="--notes NOTES or --index FOLDER")
    if not args.query.strip() and not args.code and not args.index:
        raise InputError("there is nothing to look for", expected="words, or --code CODE")


def _opened(args: argparse.Namespace) -> tuple[NoteSearch, int]:
    """The index, brought up to date with the notes where these are given, and the exit code so far."""
    from conceptmap.retrieval.search import NoteSearch

    mapper = _mapper(args) if args.why or args.code or args.concept or args.affirmed else None
    where = {"device": args.device, "dtype": args.dtype, "mapper": mapper}
    if not args.notes:
        return NoteSearch.open(args.index, encoder=args.encoder, **where), 0
    notes = notes_of(args.notes, args)
    with progress_bar("indexing", unit="note") as progress:
        search = NoteSearch.index(
            notes,
            args.index,
            encoder=args.encoder or "embedded",
            vectors=args.vectors,
            overwrite=args.overwrite,
            progress=lambda done: progress(done, notes.n_notes),
            **where,
        )
    facts = search.collection.facts
    if facts.non_commercial:
        say(f"the encoder {facts.encoder} may not be used commercially, or its licence is not known: {facts.licence}")
    if not args.index:
        say("the index is not kept; with --index FOLDER the next search starts at once")
    return search, report_quarantine(notes.quarantined)


def _mapper(args: argparse.Namespace) -> ConceptMapper:
    """What finds concepts; with vectors too where the embedded encoder is at hand."""
    from conceptmap.mapper import ConceptMapper

    embedded = args.encoder in (None, "embedded") and args.ontology == ["icd10cm"]
    encoder = "embedded" if embedded else None
    return ConceptMapper.load(*args.ontology, encoder=encoder, device=args.device, dtype=args.dtype)


def _write(args: argparse.Namespace, search: NoteSearch, found: FoundNotes) -> None:
    from conceptmap.export.csv import csv_bytes
    from conceptmap.retrieval.page import found_page

    explained = search.why(found) if args.why else found.matches
    options = {"overwrite": args.overwrite, "group_readable": args.group_readable}
    if args.html:
        facts = [repr(search).removeprefix("NoteSearch(").removesuffix(")")]
        write_out(args.html, found_page(found.hits, explained, title=found.query, facts=facts).encode(), **options)
    if args.output != "-":
        table = csv_bytes(explained if args.why else found.hits, safe=args.spreadsheet_safe)
        write_out(args.output, table, **options)
    elif args.json:
        asked = explained.partition_by("rank", maintain_order=True) if args.why else [None] * len(found)
        hits = [
            {**hit, **({} if rows is None else {"why": rows.drop("rank", "note_id").to_dicts()})}
            for hit, rows in zip(found.hits.iter_rows(named=True), asked, strict=True)
        ]
        show(json.dumps(hits, ensure_ascii=False, indent=1))
    else:
        show("\n".join(_lines(found, explained if args.why else None)) or "nothing found")


def _lines(found: FoundNotes, explained: object) -> list[str]:
    import polars as pl

    width = terminal_width()
    hits = [("rank", "note", "score", "mean", "passage")]
    for hit in found.hits.iter_rows(named=True):
        shown = " ".join(hit["passage"].split())
        hits.append((str(hit["rank"]), hit["note_id"], f"{hit['score']:.3f}", f"{hit['mean']:.3f}", shown))
    lines = list(aligned(hits, width))
    if not isinstance(explained, pl.DataFrame):
        return lines
    for rank, line in enumerate(lines[1:], 1):
        rows = [("query", "note", "cosine", "both stand for")]
        for row in explained.filter(pl.col("rank") == rank).iter_rows(named=True):
            both = f"{row['ancestor']} {row['ancestor_name']}" if row["ancestor"] else ""
            above = "under " if both and row["ancestor"] not in (row["shared"] or "").split("; ") else ""
            denied = " (negated)" if row["negated"] else ""
            token = " ".join((row["note_token"] or "–").split())
            rows.append((row["query_token"], token, f"{row['score']:.3f}", above + both + denied))
        lines[rank] = "\n".join([line, *(f"    {row}" for row in aligned(rows, width and width - 4))])
    return lines
