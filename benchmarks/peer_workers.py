"""Peers that find names in texts, each run by the interpreter of its own environment.

    PYTHON benchmarks/peer_workers.py spacy|quickumls|medcat NAMES.csv NOTES.jsonl OUT.csv

NAMES.csv has the columns name and code, one code for a name. OUT.csv gets note_id, start_char, end_char, code. Prints
a line of JSON: seconds of processor time to build and to match, version.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

Found = Iterator[tuple[int, int, str]]
Matcher = Callable[[str], Found]
Names = list[tuple[str, str]]


def spacy_matcher(names: Names) -> Matcher:
    """PhraseMatcher on lower-cased words; of overlapping matches the longest."""
    import spacy
    from spacy.matcher import PhraseMatcher
    from spacy.util import filter_spans

    nlp = spacy.blank("en")
    nlp.max_length = 10_000_000
    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    by_code: dict[str, list[str]] = {}
    for name, code in names:
        by_code.setdefault(code, []).append(name)
    for code, its in by_code.items():
        matcher.add(code, [nlp.make_doc(name) for name in its])

    def match(text: str) -> Found:
        for span in filter_spans(matcher(nlp.make_doc(text), as_spans=True)):
            yield span.start_char, span.end_char, span.label_

    return match


def quickumls_matcher(names: Names) -> Matcher:
    """QuickUMLS with its default settings but all semantic types; a blank pipeline and stop words are put in place."""
    import nltk
    import spacy

    folder = Path(tempfile.mkdtemp())
    (folder / "nltk" / "corpora" / "stopwords").mkdir(parents=True)
    stop = sorted(spacy.blank("en").Defaults.stop_words)
    (folder / "nltk" / "corpora" / "stopwords" / "english").write_text("\n".join(stop))
    nltk.data.path.insert(0, str(folder / "nltk"))
    blank, load = spacy.blank("en"), spacy.load
    blank.max_length = 10_000_000
    spacy.load = lambda name, **settings: blank if str(name).startswith("en") else load(name, **settings)
    import quickumls
    from quickumls.install import parse_and_encode_ngrams

    terms = [(name.lower(), code, {"T047"}, 1) for name, code in names]
    parse_and_encode_ngrams(terms, str(folder / "umls-simstring.db"), str(folder / "cui-semtypes.db"), "leveldb")
    (folder / "database_backend.flag").write_text("leveldb")
    (folder / "language.flag").write_text("ENG")
    (folder / "lowercase.flag").touch()
    matcher = quickumls.QuickUMLS(str(folder), accepted_semtypes={"T047"})

    def match(text: str) -> Found:
        for group in matcher.match(text, best_match=True, ignore_syntax=False):
            best = group[0]
            yield best["start"], best["end"], best["cui"]

    return match


def medcat_matcher(names: Names) -> Matcher:
    """MedCAT untrained: every name has one code, so that linking needs no training."""
    import logging

    logging.disable(logging.WARNING)
    import pandas as pd
    from medcat.cat import CAT
    from medcat.config import Config
    from medcat.model_creation.cdb_maker import CDBMaker
    from medcat.vocab import Vocab

    config = Config()
    config.components.linking.train_count_threshold = -1
    config.components.linking.similarity_threshold = -2
    config.general.spell_check = False
    frame = pd.DataFrame(names, columns=["name", "cui"])
    frame["ontologies"], frame["name_status"], frame["type_ids"], frame["description"] = "", "P", "", ""
    cdb = CDBMaker(config).prepare_csvs([frame])
    cat = CAT(cdb, Vocab(), config)

    def match(text: str) -> Found:
        for entity in cat.get_entities(text)["entities"].values():
            yield entity["start"], entity["end"], entity["cui"]

    return match


MATCHERS = {"spacy": spacy_matcher, "quickumls": quickumls_matcher, "medcat": medcat_matcher}


def main(peer: str, names_csv: str, notes_jsonl: str, out_csv: str) -> None:
    """Build, match, write, report."""
    with Path(names_csv).open(newline="", encoding="utf-8") as file:
        names = [(row["name"], row["code"]) for row in csv.DictReader(file)]
    with Path(notes_jsonl).open(encoding="utf-8") as file:
        notes = [json.loads(line) for line in file]
    began = time.process_time()
    match = MATCHERS[peer](names)
    built = time.process_time()
    rows = [(note["note_id"], *found) for note in notes for found in match(note["text"])]
    done = time.process_time()
    with Path(out_csv).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("note_id", "start_char", "end_char", "code"))
        writer.writerows(rows)
    facts = {"build": built - began, "match": done - built, "version": metadata.version(peer)}
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
