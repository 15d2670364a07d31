from __future__ import annotations

import warnings
from pathlib import Path

import obonet
import polars as pl
import pytest

from conceptmap.errors import ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology
from conceptmap.readers.graphs.terms import split_xref
from conceptmap.readers.obo import read_obo
from conceptmap.readers.tables import ReadReport

FILE = Path(__file__).parents[1] / "ontologies" / "fixtures" / "obo" / "invented.obo"


@pytest.fixture(scope="module")
def invented() -> Ontology:
    return load_ontology(FILE)


def write(folder: Path, text: str) -> Path:
    path = folder / "x.obo"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_concepts_hold_what_became_of_them(invented: Ontology) -> None:
    assert (invented.system, invented.release) == ("inv", "2099-02-03")
    columns = ["node", "kind", "name", "active", "alt_ids", "replaced_by", "consider"]
    assert invented.concepts.select(columns).rows() == [
        ("INV:0001", "concept", "disease of colour", True, [], [], []),
        ("INV:0002", "concept", "blue fever", True, ["INV:0102"], [], []),
        ("INV:0003", "concept", "feverish disease", True, [], [], []),
        ("INV:0004", "concept", "obsolete green fever", False, [], ["INV:0002"], ["INV:0001"]),
        ("EXT:1", "imported", "heart", True, [], [], []),
    ]
    assert invented.node("INV:0102") == "INV:0002"
    assert invented.current("INV:0004") == {"INV:0002"}


def test_synonyms_keep_scope_and_type(invented: Ontology) -> None:
    rows = invented.terms.filter(pl.col("code") == "INV:0002").select("term", "kind", "scope", "type").rows()
    assert rows == [
        ("blue fever", "preferred", None, None),
        ("cerulean fever", "synonym", "EXACT", None),
        ("fever", "synonym", "BROAD", "ABBREVIATION"),
        ("woad fever", "synonym", "NARROW", None),
        ("hue malaise", "synonym", "RELATED", None),
        ("old style blue", "synonym", "EXACT", None),
    ]


def test_obsolete_and_imported_concepts_have_no_terms(invented: Ontology) -> None:
    assert set(invented.terms["code"]) == {"INV:0001", "INV:0002", "INV:0003"}


def test_edges_are_is_a_only_and_run_downwards(invented: Ontology) -> None:
    assert invented.edges.rows() == [("INV:0001", "INV:0002"), ("INV:0003", "INV:0002")]


def test_cross_references_and_matches_are_maps(invented: Ontology) -> None:
    assert invented.maps is not None
    assert invented.maps.rows() == [
        ("INV:0002", "icd10cm", "A00.9", "xref"),
        ("INV:0002", "snomedct", "22298006", "xref"),
        ("INV:0002", "umls", "C0000001", "xref"),
        ("INV:0002", "mesh", "D000001", "xref"),
        ("INV:0002", "hp", "HP:0000001", "xref"),
        ("INV:0002", "iri", "http://example.org/blue", "xref"),
        ("INV:0002", "gard", "77", "exactMatch"),
    ]


@pytest.mark.parametrize(
    ("xref", "system", "code"),
    [
        ("ICD10CM:E11.9", "icd10cm", "E11.9"),
        ("ICD10:E11", "icd10", "E11"),
        ("SCTID:44054006", "snomedct", "44054006"),
        ("SNOMEDCT_US_2025_09_01:44054006", "snomedct", "44054006"),
        ("UMLS:C0011849", "umls", "C0011849"),
        ("UMLS_CUI:C0011849", "umls", "C0011849"),
        ("MESH:D003924", "mesh", "D003924"),
        ("MeSH:D003924", "mesh", "D003924"),
        ("OMIM:125853", "omim", "125853"),
        ("DOID:9352", "doid", "DOID:9352"),
        ("Orphanet:1", "orphanet", "1"),
        ("https://example.org/x", "iri", "https://example.org/x"),
        ("611644", "", "611644"),
    ],
)
def test_xrefs_are_split_into_our_systems_and_their_codes(xref: str, system: str, code: str) -> None:
    assert split_xref(xref) == (system, code)


def test_definitions_and_comments_are_notes_without_escapes(invented: Ontology) -> None:
    assert invented.remarks is not None
    assert invented.remarks.select("code", "kind", "text").rows() == [
        ("INV:0001", "definition", 'A disease that "shows" colour. See http://example.org, or not.'),
        ("INV:0001", "comment", "Kept apart from INV:0009."),
    ]


def test_answers_agree_with_obonet(invented: Ontology) -> None:
    graph = obonet.read_obo(FILE, ignore_obsolete=False)
    ours = {(child, parent) for parent, child in invented.edges.iter_rows()}
    assert ours == {(child, parent) for child, parent, kind in graph.edges(keys=True) if kind == "is_a"}
    for node, data in graph.nodes(data=True):
        assert invented.name(node) == data["name"]
        synonyms = invented.terms.filter((pl.col("code") == node) & (pl.col("kind") == "synonym"))
        if invented.concepts.filter(node=node)["active"].item() and node.startswith("INV"):
            quoted = {line.split('"')[1] for line in data.get("synonym", [])} - {data["name"]}
            assert quoted == set(synonyms["term"]) - {"old style blue"}


@pytest.mark.parametrize(("old", "new"), [("\n", "\r\n"), ("format-version", "\ufeffformat-version")])
def test_line_ends_and_byte_order_marks_make_no_difference(
    old: str, new: str, invented: Ontology, tmp_path: Path
) -> None:
    path = write(tmp_path, FILE.read_text(encoding="utf-8").replace(old, new))
    assert load_ontology(path).terms.equals(invented.terms)
    assert load_ontology(path).release == invented.release


# -- what is left out or refused --------------------------------------------------------------------------------------


def test_parents_outside_a_slim_are_counted_in_one_warning(tmp_path: Path) -> None:
    path = write(
        tmp_path, "[Term]\nid: A:1\nname: a\nis_a: A:8 ! far\nis_a: A:9\n\n[Term]\nid: A:2\nname: b\nis_a: A:1\n"
    )
    report = ReadReport()
    with pytest.warns(UserWarning, match=r"x\.obo: left out 2 is_a lines with a parent that the file does not hold"):
        slim = read_obo(path, report=report)
    assert slim.edges.rows() == [("A:1", "A:2")]
    assert list(report.left_out.values()) == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Term]\nid: A:1\nname: a\nnonsense\n", r"x\.obo, line 4: not a clause"),
        ("[Term]\nid: A:1\nname: a\nsynonym: a b EXACT []\n", "line 4: synonym cannot be read"),
        ('[Term]\nid: A:1\nname: a\nsynonym: "open EXACT []\n', "line 4: synonym cannot be read"),
        ("[Term]\nid: A:1\nname: a\ndef: none\n", "line 4: def cannot be read"),
        ("[Term]\nid: A:1\nid: A:2\nname: a\n", "line 3: id cannot be read"),
        ("[Term]\nid: A:1\nname: a\n\n[Term]\nname: b\n", r"line 5: a \[Term\] without an id"),
        ("[Term]\nid: A:1\nname: a\n\n[Term]\nid: A:1\n", "line 5: A:1 again, first on line 1"),
    ],
)
def test_a_bad_line_is_an_error_or_left_out_and_listed(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ReaderError, match=message):
        load_ontology(path)
    report = ReadReport()
    with pytest.warns(UserWarning, match="left out 1 lines that cannot be read"):
        lenient = load_ontology(path, strict=False, report=report)
    assert lenient.name("A:1") in {"a", "A:1"}
    assert (report.n_malformed, report.malformed[0].file) == (1, "x.obo")


@pytest.mark.parametrize("text", ["", "format-version: 1.2\n", "\x00\x01\n", "[Typedef]\nid: x\n"])
def test_a_file_without_terms_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"x\.obo(, line 1: not a clause| holds no \[Term\])"):
        load_ontology(write(tmp_path, text))


def test_other_encodings_and_cycles_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.obo"
    path.write_bytes("[Term]\nid: A:1\nname: café\n".encode("latin-1"))
    with pytest.raises(ReaderError, match="line 3: not UTF-8"):
        load_ontology(path)
    cycle = "[Term]\nid: A:1\nname: a\nis_a: A:2\n\n[Term]\nid: A:2\nname: b\nis_a: A:1\n"
    with pytest.raises(ReaderError, match=r"x\.obo, line 1: A:1 is_a A:2 closes the cycle A:1 → A:2 → A:1"):
        load_ontology(write(tmp_path, cycle))


# -- release and system -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "release"),
    [
        ("data-version: releases/2024-01-31\n", "2024-01-31"),
        ("data-version: v7\n", "v7"),
        ("date: 09:01:2016 16:27\n", "2016-01-09"),
        ("", "undated"),
    ],
)
def test_the_release_is_the_headers_version_or_date(header: str, release: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"{header}\n[Term]\nid: A:1\nname: a\n")
    assert load_ontology(path).release == release
    assert load_ontology(path, release="mine").release == "mine"
    assert load_ontology(path, system="other").system == "other"


def test_a_term_without_a_name_is_named_by_its_id_and_has_no_terms(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ontology = load_ontology(write(tmp_path, "[Term]\nid: A:1\n"))
    assert ontology.name("A:1") == "A:1"
    assert ontology.terms.is_empty()


def test_discarded_synonyms_are_notes(tmp_path: Path) -> None:
    text = '[Term]\nid: A:1\nname: a\nsynonym: "b" EXACT obsolete_synonym []\nsynonym: "c" EXACT layperson []\n'
    ontology = load_ontology(write(tmp_path, text))
    assert ontology.terms.select("term", "type").rows() == [("a", None), ("c", "layperson")]
    assert ontology.remarks is not None
    assert ontology.remarks.select("kind", "text").rows() == [("obsolete_synonym", "b")]


def test_empty_values_say_nothing(tmp_path: Path) -> None:
    text = 'subsetdef:\n\n[Term]\nid: A:1\nname: a\ncomment:\ncreated_by: \nsynonym: "" EXACT []\ndef: "" []\n'
    ontology = load_ontology(write(tmp_path, text))
    assert ontology.terms["term"].to_list() == ["a"]
    assert ontology.remarks is not None
    assert ontology.remarks.is_empty()


def test_one_obo_file_of_a_folder_is_read_and_two_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "[Term]\nid: A:1\nname: a\n")
    (tmp_path / "README.txt").write_text("x", encoding="utf-8")
    assert load_ontology(tmp_path).system == "a"
    (tmp_path / "y.obo").write_text("x", encoding="utf-8")
    with pytest.raises(ReaderError, match=r"should hold one OBO file: got x\.obo, y\.obo"):
        load_ontology(tmp_path)
