"""Marked notes from JSON Lines, BRAT folders and PubTator files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conceptmap.errors import InputError
from conceptmap.notes.marked import MarkedNote, MarkedSpan, read_marked
from conceptmap.ontology.ontology import Ontology
from conceptmap.training.codes import over_codes, with_known_codes

TEXT = "Fever. Café-au-lait spots and renal failure."


def json_line(**changes: object) -> str:
    note = {
        "note_id": "1",
        "text": TEXT,
        "mentions": [
            {"start": 0, "end": 5, "codes": ["R50.9"], "text": "Fever"},
            {"start": 30, "end": 43, "codes": []},
        ],
        "ignored": [[7, 25]],
    }
    return json.dumps({**note, **changes})


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_json_lines(tmp_path: Path) -> None:
    (note,) = read_marked(write(tmp_path / "a.jsonl", json_line() + "\n\n"))
    assert (note.note_id, note.text) == ("1", TEXT)
    assert note.mentions == (MarkedSpan(0, 5, ("R50.9",)),)
    assert note.ignored == ((30, 43), (7, 25)), "a mention without a code is left alone"


def test_codes_are_taken_over_the_cross_references_of_their_release() -> None:
    codes = ["D:1", "D:2"]
    frames: dict[str, dict[str, Any]] = {
        "concepts": {"node": codes, "code": codes, "kind": "code", "name": ["a", "b"], "active": True,
                     "billable": None},
        "terms": {"node": codes, "code": codes, "term": ["a", "b"], "kind": "preferred"},
        "edges": {"parent": ["D:1"], "child": ["D:2"]},
        "maps": {"code": ["D:1", "D:1", "D:2"], "target_system": ["icd10cm", "icd10cm", "mesh"],
                 "target_code": ["N19", "N17.9", "D1"], "relation": "xref"},
    }  # fmt: skip
    release = Ontology("doid", "2099", **{name: pl.DataFrame(frame) for name, frame in frames.items()})
    note = MarkedNote("1", TEXT, (MarkedSpan(0, 5, ("D:2",)), MarkedSpan(30, 43, ("D:1", "D:2"))), ())
    (taken,) = over_codes([note], release, "icd10cm")
    assert [m.codes for m in taken.mentions] == [("D:2",), ("N17.9", "N19", "D:2")], "what refers to none stays"
    with pytest.raises(InputError, match="doid 2099 has no cross-reference to snomedct for any code"):
        over_codes([note], release, "snomedct")


def test_brat(tmp_path: Path) -> None:
    write(tmp_path / "one.txt", TEXT + "\nLeft and right knee pain.")
    lines = [
        "T1\tDisease 7 25\tCafé-au-lait spots",
        "N1\tReference T1 icd10cm:L81.3\tspots",
        "T2\tDisease 45 49;60 69\tLeft knee pain",
        "N2\tReference T2 icd10cm:M25.562\tknee",
        "#1\tAnnotatorNotes T1\tsure",
    ]
    write(tmp_path / "one.ann", "\n".join(lines))
    write(tmp_path / "stray.txt", "No annotations here.")
    (note,) = read_marked(tmp_path)
    assert note.note_id == "one"
    assert note.mentions == (MarkedSpan(7, 25, ("icd10cm:L81.3",)),)
    assert note.ignored == ((45, 69),), "a mention in pieces is no span to learn"


def test_pubtator(tmp_path: Path) -> None:
    block = "9|t|Renal failure.\n9|a|Fever was seen.\n9\t0\t13\tRenal failure\tDisease\tD1|D2\n"
    more = "9\t15\t20\tFever\tDisease\t-1\n9\tCID\tD003\tD1\n\n"
    (note,) = read_marked(write(tmp_path / "a.pubtator", block + more))
    assert note.text == "Renal failure. Fever was seen."
    assert note.mentions == (MarkedSpan(0, 13, ("D1", "D2")),)
    assert note.ignored == ((15, 20),)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"note_id": "1"}', "line 1 is no note with mentions: got KeyError"),
        ("a.jsonl", json_line() + "\n" + "[1]", "line 2 is no note"),
        (
            "a.jsonl",
            json_line(mentions=[{"start": 40, "end": 99, "codes": ["X"]}]),
            r"outside its note: got \(40, 99\)",
        ),
        ("a.jsonl", json_line(mentions=[{"start": 1, "end": 6, "codes": ["X"], "text": "Fever"}]), "count code points"),
        ("a.jsonl", "", "holds no note"),
        ("a.pubtator", "9|t|Fever.\n9\tx\ty\n", "line 2 is no PubTator line"),
        ("a.pubtator", "8\t0\t5\tFever\tDisease\tD1\n", "line 1 marks a note that the file does not hold"),
    ],
)
def test_bad_input_is_named_without_the_text(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_marked(write(tmp_path / name, text))
    assert "Café" not in str(error.value)


def test_bad_brat(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pairs of \.txt and \.ann"):
        read_marked(tmp_path)
    write(tmp_path / "one.txt", TEXT)
    write(tmp_path / "one.ann", "T1 Disease 0 5 Fever")
    with pytest.raises(InputError, match="line 1 is no annotation"):
        read_marked(tmp_path)


def test_undecodable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_marked(tmp_path / "a.jsonl")


def test_mentions_of_unknown_codes_are_left_alone(tmp_path: Path) -> None:
    notes = read_marked(write(tmp_path / "a.jsonl", json_line()))
    kept, lost = with_known_codes(notes, {"R50.9": "r"}.get)
    assert (kept[0].mentions[0].codes, lost) == (("r",), 0)
    kept, lost = with_known_codes(notes, lambda code: None)
    assert (kept[0].mentions, lost) == ((), 1)
    assert (0, 5) in kept[0].ignored
