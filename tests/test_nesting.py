"""Inputs nested deeper than anything real: each reader refuses them with its own error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conceptmap.adapters import open_adapter
from conceptmap.batch.runfile import read_run
from conceptmap.errors import IndexMismatchError, InputError, ReaderError
from conceptmap.index.vector_files import read_vector_table
from conceptmap.notes.marked import read_marked
from conceptmap.notes.notes import read_notes
from conceptmap.readers import load_ontology
from conceptmap.readers.xml import MAX_DEPTH, read_xml

DEEP = 100_000


def nested(tag: str, depth: int) -> bytes:
    return f"<{tag}>".encode() * depth + f"</{tag}>".encode() * depth


def test_elements_are_nested_as_deep_as_releases_do_and_no_deeper() -> None:
    assert read_xml(nested("a", MAX_DEPTH), "a.xml").tag == "a"
    with pytest.raises(ReaderError, match=r"a\.xml, line 1: elements nested too deeply: expected at most 100 deep"):
        read_xml(nested("a", MAX_DEPTH + 1), "a.xml")


@pytest.mark.parametrize(
    ("name", "start", "end", "tag"),
    [
        ("icd10cm_tabular_2099.xml", b"<ICD10CM.tabular><chapter>", b"</chapter></ICD10CM.tabular>", "diag"),
        ("icd10.xml", b'<ClaML><Title version="1"/><Class code="A00"><Rubric kind="preferred"><Label>',
         b"</Label></Rubric></Class></ClaML>", "Fragment"),
    ],
)  # fmt: skip
def test_deep_elements_of_a_release_end_in_the_readers_error(
    tmp_path: Path, name: str, start: bytes, end: bytes, tag: str
) -> None:
    (tmp_path / name).write_bytes(start + nested(tag, DEEP) + end)
    with pytest.raises(ReaderError, match="elements nested too deeply"):
        load_ontology(tmp_path / name)


def test_a_chain_of_a_hundred_thousand_concepts_is_no_recursion(tmp_path: Path) -> None:
    terms = "".join(f"[Term]\nid: X:{n}\nname: n{n}\nis_a: X:{n - 1}\n\n" for n in range(1, 20_000))
    (tmp_path / "chain.obo").write_text(f"format-version: 1.2\n\n[Term]\nid: X:0\nname: n0\n\n{terms}")
    ontology = load_ontology(tmp_path / "chain.obo")
    assert len(ontology.ancestors("X:19999")) == 19_999
    assert ontology.depth("X:19999") == 19_999


@pytest.mark.parametrize("mark", ["{", "[", "\\"])
def test_deep_brackets_in_an_obo_file_are_text(tmp_path: Path, mark: str) -> None:
    lines = ["format-version: 1.2", "", "[Term]", "id: X:1", f"name: {mark * DEEP}", f"synonym: {mark * 999} no quotes"]
    (tmp_path / "deep.obo").write_text("\n".join(lines))
    with pytest.raises(ReaderError, match="line 6: synonym cannot be read"):
        load_ontology(tmp_path / "deep.obo")


DEEP_JSON = ("[" * DEEP, '{"a":' * DEEP, '{"a":' * 70 + "1" + "}" * 70)
WRAPPED = [f'{{"note_id": "1", "text": "a", "mentions": {deep}}}' for deep in DEEP_JSON]


@pytest.mark.parametrize("line", [*DEEP_JSON, *WRAPPED])
def test_deep_lines_of_marked_notes_end_in_an_error_that_names_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "marked.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match="line 1 is no note with mentions: got ValueError"):
        read_marked(path)


@pytest.mark.parametrize("line", [*DEEP_JSON, *WRAPPED])
def test_deep_lines_of_notes_are_quarantined_and_the_others_read(tmp_path: Path, line: str) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(line + '\n{"note_id": "2", "text": "fever", "more": [[1]]}\n')
    notes = read_notes(path)
    assert [(bad.where, bad.reason) for bad in notes.quarantined] == [("line 1", "the line is not a JSON object")]
    assert notes.frame().rows() == [("2", "fever", "[[1]]")]


@pytest.mark.parametrize("deep", DEEP_JSON)
def test_deep_headers_and_lists_beside_vectors_end_in_the_readers_error(tmp_path: Path, deep: str) -> None:
    header = deep.encode()
    (tmp_path / "v.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match=r"cannot read v\.safetensors"):
        read_vector_table(tmp_path / "v.safetensors")
    np.save(tmp_path / "v.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "codes.json").write_text(deep)
    with pytest.raises(InputError, match=r"cannot read codes\.json"):
        read_vector_table(tmp_path / "v.npy", codes_file=tmp_path / "codes.json")
    shape = "(" * 5_000
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    (tmp_path / "deep.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(InputError, match=r"cannot read deep\.npy"):
        read_vector_table(tmp_path / "deep.npy")


@pytest.mark.parametrize("deep", DEEP_JSON)
def test_a_deep_run_json_or_manifest_is_none_of_ours(tmp_path: Path, deep: str) -> None:
    (tmp_path / "run.json").write_text(deep)
    assert read_run(tmp_path) == {}
    (tmp_path / "manifest.json").write_text(deep + "}\n")
    with pytest.raises(IndexMismatchError, match=r"manifest\.json is damaged"):
        open_adapter(tmp_path)
