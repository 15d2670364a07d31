"""Codes and mentions side by side with open peers that are given the same names, in one run.

    python benchmarks/coding_peers.py --notes NOTES.csv --gold GOLD.csv --mentions MENTIONS.jsonl --obo ONTOLOGY.obo \
        --peer spacy=ENV/bin/python --peer quickumls=ENV/bin/python --peer medcat=ENV/bin/python

NOTES.csv has note_id and text, GOLD.csv note_id and code; MENTIONS.jsonl holds note_id, text, mentions (start, end,
codes) and ignored spans. A peer gets every wording that ours searches, our abbreviations and shortened titles among
them, each with the one code that ours would write down for it; the codes of a note are all that it finds, negated
ones too. Ours is shown with the negated ones, and with every context, as the peers have it. A mention is right when it
overlaps a gold mention and has one of its codes.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from conceptmap.coding.coding import INCLUDES
from conceptmap.evaluation.codes import score_codes
from conceptmap.evaluation.mentions import GoldMentions, score_mentions
from conceptmap.index.building import build_index
from conceptmap.linking.linker import Linker
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.matching.content import content_words
from conceptmap.matching.lexicon import CLASSIFICATIONS
from conceptmap.matching.mentions import lexical_mentions
from conceptmap.matching.vocabulary import abbreviations
from conceptmap.matching.wordings import variants
from conceptmap.notes.marked import read_marked
from conceptmap.readers import load_ontology

WORKERS = Path(__file__).parent / "peer_workers.py"


def names_of(linker: Linker) -> list[tuple[str, str]]:
    """Every wording that the linker searches, with the code that it would write down for it."""
    titles = linker.index.system in CLASSIFICATIONS
    wordings = {
        wording: wording
        for term, kind in linker.index.terms.select("term", "kind").iter_rows()
        for wording in variants(term, curated=kind in ("clinical", "index") or not titles)
    }
    wordings.update({short: long for short, long, near, _ in abbreviations() if not near})
    texts = list(wordings.values())
    contents = [content_words(text) for text in texts]
    out: dict[str, tuple[str, str]] = {}  # peers fold case, so that each name has one code however it is written
    for name, content, hits in zip(wordings, contents, linker.matcher.find_all(texts, contents), strict=True):
        whole = [hit for hit in hits if hit.n_words == len(content.form)]
        if whole:
            concept = lexical_mentions(whole, linker.matcher, linker.book)[0].candidates[0].concept
            out.setdefault(name.lower(), (name, linker.book.codes[linker.book.default(concept)]))
    return list(out.values())


def run_peer(
    peer: str, python: str, names: Sequence[tuple[str, str]], notes: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """What a peer finds in the notes, and what it says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        named, texts, out = (Path(folder) / name for name in ("names.csv", "notes.jsonl", "out.csv"))
        with named.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "code"), *names])
        notes.select("note_id", "text").write_ndjson(texts)
        done = subprocess.run([python, WORKERS, peer, named, texts, out], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{peer} failed:\n{done.stderr[-2000:]}")
        rows = pl.read_csv(out, schema_overrides={"note_id": pl.String, "code": pl.String})
        return rows.with_columns(rank=pl.lit(1)), json.loads(done.stdout.splitlines()[-1])


def ours(mapper: ConceptMapper, notes: pl.DataFrame, include: Sequence[str]) -> tuple[Results, float]:
    """What we find, and the seconds of processor time that it took."""
    mapper.annotate_many(notes.head(20))  # loads what is loaded once
    began = time.process_time()
    return mapper.annotate_many(notes, include=include), time.process_time() - began


def count_words(notes: pl.DataFrame) -> int:
    """Words between blanks."""
    return int(notes["text"].str.count_matches(r"\S+").sum())


def shown(name: str, scores: Sequence[float], words: float, build: float | None) -> str:
    """A row of a table."""
    figures = " | ".join(f"{score:.3f}" for score in scores)
    return f"| {name} | {figures} | {words:,.0f} | {'' if build is None else f'{build:.0f}'} |"


def codes_table(notes: pl.DataFrame, gold: pl.DataFrame, peers: Mapping[str, str]) -> None:
    """Note codes."""
    mapper = ConceptMapper.load("icd10cm", encoder=None)
    names = names_of(mapper.linkers[0])
    words = count_words(notes)
    print(f"\n{notes.height} notes, {words:,} words, {gold.height:,} gold codes, {len(names):,} names")
    print("| method | P | R | F1 | category F1 | words/s | build s |\n|---|---|---|---|---|---|---|")

    def row(name: str, codes: pl.DataFrame, spent: float, build: float | None = None) -> None:
        scores = score_codes(gold, codes.select("note_id", "code").unique())
        full = scores["full code"]
        figures = (full["precision"], full["recall"], full["f1"], scores["category"]["f1"])
        print(shown(name, figures, words / spent, build), flush=True)

    for name, include in (("negated included", ["negated"]), ("every context", INCLUDES)):
        found, spent = ours(mapper, notes, include)
        row(f"conceptmap, no encoder, {name}", found.codes, spent)
    for peer, python in peers.items():
        rows, facts = run_peer(peer, python, names, notes)
        row(f"{peer} {facts['version']}", rows, facts["match"], facts["build"])


def mentions_table(path: str, obo: str, peers: Mapping[str, str]) -> None:
    """Mentions end to end."""
    marked = read_marked(path)
    gold = GoldMentions.of(marked)
    notes = pl.DataFrame([{"note_id": note.note_id, "text": note.text} for note in marked])
    mapper = ConceptMapper.load(build_index(load_ontology(obo), None), encoder=None)
    names = names_of(mapper.linkers[0])
    words = count_words(notes)
    print(f"\n{notes.height} abstracts, {words:,} words, {len(names):,} names")
    print("| method | P | R | F1 | words/s | build s |\n|---|---|---|---|---|---|")

    def row(name: str, mentions: pl.DataFrame, spent: float, build: float | None = None) -> None:
        scores = score_mentions(gold, mentions)["mentions"]
        print(shown(name, [scores[k] for k in ("precision", "recall", "f1")], words / spent, build), flush=True)

    found, spent = ours(mapper, notes, INCLUDES)
    row("conceptmap, no encoder", found.mentions, spent)
    for peer, python in peers.items():
        rows, facts = run_peer(peer, python, names, notes)
        row(f"{peer} {facts['version']}", rows, facts["match"], facts["build"])


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", help="leave it out to compare mentions alone")
    parser.add_argument("--gold")
    parser.add_argument("--mentions")
    parser.add_argument("--obo")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    args = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in args.peer)
    if args.notes:
        gold = pl.read_csv(args.gold).select("note_id", pl.col("code").str.to_uppercase())
        codes_table(pl.read_csv(args.notes), gold, peers)
    if args.mentions:
        mentions_table(args.mentions, args.obo, peers)


if __name__ == "__main__":
    main()
