"""``conceptmap evaluate --learning-curve``: what more marked notes bring, on notes that nothing was learned from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_mapper import ontology

from conceptmap.cli import main
from conceptmap.encoders import load_encoder
from conceptmap.index.building import build_index

WORDS = {"the sugars": "E11.9", "pressure trouble": "I10", "fever": "R50.9"}


def marked(path: Path, n_notes: int, *, first: int) -> str:
    lines = []
    for number in range(first, first + n_notes):
        text = f"Day {number}. Known the sugars and pressure trouble, with fever again."
        places = [(text.index(said), code, said) for said, code in WORDS.items()]
        mentions = [{"start": at, "end": at + len(said), "codes": [code]} for at, code, said in places]
        lines.append(json.dumps({"note_id": f"n{number}", "text": text, "mentions": mentions}))
    path.write_text("\n".join(lines))
    return str(path)


def test_more_notes_teach_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    build_index(ontology(), load_encoder("embedded")).save(tmp_path / "index")
    gold, training = marked(tmp_path / "g.jsonl", 6, first=100), marked(tmp_path / "t.jsonl", 16, first=0)
    line = ["evaluate", gold, "--learning-curve", training, "--index", str(tmp_path / "index"), "--sizes", "10,16"]
    assert main(line) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [one.split()[0] for one in lines] == ["notes", "0", "10", "16"]
    assert all(len(one) <= 80 for one in lines)
    assert float(lines[1].split()[3]) < float(lines[2].split()[3]) == 1.0, "words that only training notes have"
    for wrong in (["--sizes", "99"], ["--encoder", "none"], ["--tokens"], ["--learning-curve", gold]):
        assert main([*line, *wrong]) == 2
    assert main(["evaluate", gold]) == 2
    err = capfd.readouterr().err
    assert "PREDICTED is missing" in err
    assert "6 notes of the gold standard are among those to learn from" in err
