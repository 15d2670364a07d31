"""``conceptmap pairs``, and the page that trains on them: its own blocks are what runs, with a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from test_readme import BLOCK, REPOSITORY, run_command
from tiny_models import make

from conceptmap.cli import main
from conceptmap.encoders import load_encoder
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.readers import load_ontology
from conceptmap.training.pairs import mention_pairs, term_pairs

OBO = REPOSITORY / "ontologies" / "fixtures" / "obo" / "invented.obo"
TEXT = "Seen today. Mother says the old blue fever came back last night, no rash. All well."


def marked(*spans: tuple[str, str]) -> MarkedNote:
    places = [(TEXT.index(said), TEXT.index(said) + len(said), code) for said, code in spans]
    return MarkedNote.of("a", TEXT, [MarkedSpan(start, end, (code,)) for start, end, code in places])


def test_a_mention_has_the_words_beside_it_and_the_name_of_its_concept() -> None:
    ontology = load_ontology(OBO)
    note = marked(("old blue fever", "INV:0002"), ("rash", "INV:9999"), ("All", "inv:INV:0003"))
    pairs = mention_pairs([note, note], ontology, n_words=2, synonyms=False)
    assert pairs.rows() == [
        ("says the old blue fever came back", "blue fever", "INV:0002", "old blue fever", 9, 23),
        ("All well", "feverish disease", "INV:0003", "All", 0, 3),
    ]
    for anchor, _, _, said, start, end in pairs.rows():
        assert anchor[start:end] == said
    alone = mention_pairs([note], ontology, n_words=0, synonyms=False)
    assert alone["anchor"].to_list() == ["old blue fever", "All"]
    whole = mention_pairs([note], ontology, n_words=99, synonyms=False)
    assert whole["anchor"][0] == "Mother says the old blue fever came back last night, no rash"
    every = mention_pairs([note], ontology, n_words=2, synonyms=True)
    assert {"blue fever", "cerulean fever", "woad fever"} <= set(every["positive"])


def test_synonyms_go_with_their_names() -> None:
    pairs = term_pairs(load_ontology(OBO))
    assert ("woad fever", "blue fever") in pairs.select("anchor", "positive").rows()
    assert (pairs["anchor"].str.to_lowercase() != pairs["positive"].str.to_lowercase()).all()


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    note = {"note_id": "a", "text": TEXT, "mentions": [{"start": 28, "end": 42, "codes": ["INV:0002"]}]}
    gold = tmp_path / "m.jsonl"
    gold.write_text(json.dumps(note))
    line = ["pairs", str(gold), "--index", str(OBO)]
    assert main(line) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["positive"] == "blue fever"
    assert "1 pairs of 1 concepts; they hold pieces of the notes" in shown.err
    for name, read in (("p.csv", pl.read_csv), ("p.parquet", pl.read_parquet)):
        assert main([*line, "--terms", "-o", str(tmp_path / name)]) == 0
        assert read(tmp_path / name).height == 6
    assert main([*line, "-o", str(tmp_path / "p.csv")]) == 2
    assert main(["pairs", "--index", str(OBO)]) == 2
    gold.write_text(json.dumps(note).replace("INV:0002", "X:1"))
    assert main(line) == 2
    assert "no mention has a code of" in capfd.readouterr().err


def test_the_page_trains_saves_and_plugs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "base-model", "sentence-bert-mean")
    shutil.copy(OBO, "doid.obo")
    spans = [(28, 42, "INV:0002"), (0, 4, "INV:0003"), (61, 65, "INV:0001")]
    note = {"note_id": "a", "text": TEXT, "mentions": [{"start": a, "end": b, "codes": [code]} for a, b, code in spans]}
    (tmp_path / "mentions.jsonl").write_text(json.dumps(note))
    page = (REPOSITORY / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    for language, body in ((match[1], match[2]) for match in BLOCK.finditer(page)):
        if language == "python":
            exec(compile(body, "docs/fine-tuning.md", "exec"), namespace)
        else:
            for command in (line[2:] for line in body.splitlines() if line.startswith("$ ")):
                run_command(command)
    before, after = load_encoder(tmp_path / "base-model"), load_encoder(tmp_path / "my-encoder")
    assert (before.terms(["blue fever"]) != after.terms(["blue fever"])).any(), "it learned something"
    assert "my-encoder" in str(namespace["mapper"])
