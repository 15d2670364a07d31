"""Inputs nested deeper than anything real: each reader refuses them with its own error."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptmap.errors import ConceptMapError, ReaderError
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


def deep_json(depth: int = DEEP) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def ended(action: object, *args: object) -> str:
    """The message of our own error in which a call ends."""
    with pytest.raises(ConceptMapError) as caught:
        action(*args)  # type: ignore[operator]
    return str(caught.value)
