"""OWL and SKOS: the ontology that OBO gives, labels by language, and files that want to fetch, to grow or to nest."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from conceptmap.cli import main
from conceptmap.errors import InputError, MissingExtraError, ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import is_release, load_ontology
from conceptmap.readers.tables import ReadReport

FIXTURES = Path(__file__).parents[1] / "ontologies" / "fixtures"
OWL, SKOS, OBO = FIXTURES / "rdf" / "invented.owl", FIXTURES / "rdf" / "invented.ttl", FIXTURES / "obo" / "invented.obo"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"'
HEAD = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n@prefix : <http://example.org/> .\n"


def skos(**options: object) -> Ontology:
    return load_ontology(SKOS, system="colours", **options)  # type: ignore[arg-type]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# -- what comes of them -----------------------------------------------------------------------------------------------


def test_owl_gives_what_obo_gives() -> None:
    owl, obo = load_ontology(OWL), load_ontology(OBO)
    assert (owl.system, owl.release) == (obo.system, obo.release)
    assert_frame_equal(owl.concepts, obo.concepts)
    assert_frame_equal(owl.edges, obo.edges, check_row_order=False)
    assert owl.maps is not None
    assert obo.maps is not None
    assert_frame_equal(owl.maps, obo.maps, check_row_order=False)
    assert owl.remarks is not None
    assert obo.remarks is not None
    assert_frame_equal(owl.remarks, obo.remarks, check_row_order=False)
    told = obo.terms.filter(pl.col("term") != "old style blue").with_columns(type=pl.lit(None, dtype=pl.String))
    assert_frame_equal(owl.terms, told, check_row_order=False)


def test_owl_in_turtle_is_the_same(tmp_path: Path) -> None:
    import pyoxigraph

    triples = list(pyoxigraph.parse(path=OWL, format=pyoxigraph.RdfFormat.RDF_XML))
    for form, name in (("TURTLE", "x.ttl"), ("N_TRIPLES", "x.nt"), ("TURTLE", "x.owl"), ("JSON_LD", "x.jsonld")):
        pyoxigraph.serialize(triples, tmp_path / name, format=getattr(pyoxigraph.RdfFormat, form))
        again = load_ontology(tmp_path / name)
        assert_frame_equal(again.concepts, load_ontology(OWL).concepts, check_row_order=False)
        assert_frame_equal(again.terms, load_ontology(OWL).terms, check_row_order=False)


def test_skos_has_notations_labels_and_both_directions() -> None:
    ontology = skos()
    assert (ontology.system, ontology.release) == ("colours", "7.2")
    columns = ["code", "name", "active", "replaced_by"]
    assert ontology.concepts.select(columns).rows() == [
        ("C1", "colour disease", True, []),
        ("C2", "blue fever", True, []),
        ("C3", "deep blue fever", True, []),
        ("C4", "old blue", False, ["C2"]),
    ]
    assert ontology.ancestors("C3") == {"C1", "C2"}, "narrower and broader"
    terms = ontology.terms.filter(code="C2").select("term", "kind").rows()
    assert terms == [("blue fever", "preferred"), ("cerulean fever", "synonym"), ("blu fever", "synonym")]
    assert ontology.maps is not None
    assert set(ontology.maps.select("code", "target_system", "target_code", "relation").rows()) == {
        ("C2", "snomedct", "22298006", "exactMatch"),
        ("C2", "doid", "DOID:4", "broadMatch"),
    }


def test_labels_are_in_the_language_asked_for() -> None:
    french = skos(language="fr")
    assert french.name("C2") == "fièvre bleue"
    assert set(french.terms.filter(code="C2")["term"]) == {"fièvre bleue", "fièvre azurée"}
    assert skos(language=["fr", "en"]).name("C3") == "deep blue fever", "where there is none in the first"


def test_a_file_without_the_language_falls_back_and_says_so(tmp_path: Path) -> None:
    text = SKOS.read_text(encoding="utf-8").replace('"@en', '"@nl')
    report = ReadReport()
    ontology = load_ontology(written(tmp_path, "x.ttl", text), system="colours", report=report)
    assert ontology.name("C2") == "blue fever"
    assert report.left_out == {"labels of other languages than nl, as there are none in en": 1}


def test_without_notations_of_their_own_what_iris_end_with_is_the_code(tmp_path: Path) -> None:
    text = SKOS.read_text(encoding="utf-8").replace('skos:notation "C3" ; ', 'skos:notation "C2" ; ')
    assert "c3" in load_ontology(written(tmp_path, "x.ttl", text), system="colours")
    alike = text + '<http://example.org/other/c3> a skos:Concept ; skos:prefLabel "other"@en .'
    ontology = load_ontology(written(tmp_path, "y.ttl", alike), system="colours")
    assert {"c1", "http://example.org/other/c3", "http://example.org/colours/c3"} <= set(ontology.nodes)


def test_skos_must_be_told_its_system() -> None:
    with pytest.raises(InputError, match="--system local"):
        load_ontology(SKOS)


def test_a_cycle_is_refused_or_cut(tmp_path: Path) -> None:
    path = written(tmp_path, "x.ttl", SKOS.read_text(encoding="utf-8") + ":c1 skos:broader :c3 .")
    with pytest.raises(ReaderError, match="closes the cycle"):
        load_ontology(path, system="colours")
    report = ReadReport()
    ontology = load_ontology(path, system="colours", strict=False, report=report)
    assert report.left_out == {"edges that close a cycle": 1}
    assert ontology.edges.height == 2


def test_a_vocabulary_becomes_an_index_that_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_release(SKOS)
    index = tmp_path / "index"
    given = ["build", str(SKOS), "-o", str(index), "--system", "colours", "--encoder", "none", "--release", "2099"]
    assert main(given) == 0
    assert main(["tag", "Cerulean fever.", "--ontology", str(index), "--encoder", "none"]) == 0
    assert "blue fever" in capsys.readouterr().out
    assert (index / "manifest.json").read_text().count('"2099"') == 1


# -- files that are not well-meant ------------------------------------------------------------------------------------


def label(entity: str, declared: str) -> str:
    return f"<!DOCTYPE r [{declared}]><rdf:RDF {RDF}><rdf:Description rdf:about='http://e/x'>" + (
        f"<rdfs:label>&{entity};</rdfs:label></rdf:Description></rdf:RDF>"
    )


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;">',
        f'<!ENTITY b "{"x" * 300}">',
        '<!ENTITY b SYSTEM "file:///etc/hostname">',
        '<!ENTITY b SYSTEM "http://localhost:9/x">',
        '<!ENTITY % p "x"><!ENTITY b "y">',
        '<!ENTITY b "<rdfs:seeAlso/>">',
    ],
)
def test_entities_that_grow_or_lie_elsewhere_are_refused(tmp_path: Path, declared: str) -> None:
    with pytest.raises(ReaderError, match="line 1: an entity that may grow"):
        load_ontology(written(tmp_path, "x.owl", label("b", declared)))


def test_nesting_has_an_end(tmp_path: Path) -> None:
    deep = f'<rdf:RDF {RDF} xmlns:e="http://e/">' + "<e:a><e:b>" * 200
    with pytest.raises(ReaderError, match="nested too deeply"):
        load_ontology(written(tmp_path, "x.owl", deep))


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()


def test_nothing_is_fetched(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    address, paths = asked
    owl = OWL.read_text(encoding="utf-8").replace("http://localhost:9", address)
    assert load_ontology(written(tmp_path, "x.owl", owl)).name("INV:0002") == "blue fever"
    context = f'{{"@context": "{address}/c.json", "@id": "http://e/x", "label": "y"}}'
    with pytest.raises(ReaderError, match="a context elsewhere"):
        load_ontology(written(tmp_path, "x.jsonld", context))
    with pytest.raises(ReaderError, match="lies elsewhere"):
        load_ontology(written(tmp_path, "y.owl", label("b", f'<!ENTITY b SYSTEM "{address}/x">')))
    assert paths == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.ttl", HEAD + ':a a skos:Concept ; skos:prefLabel "unterminated .\n:b a skos:Concept .', "line 3"),
        ("x.ttl", HEAD + ":a :b :c .", "holds no ontology"),
        ("x.owl", "<rdf:RDF><unclosed>", "line 1"),
        ("x.owl", f"<rdf:RDF {RDF}></rdf:RDF>", "holds no ontology"),
        ("x.jsonld", "{", "not well-formed"),
        ("x.nt", b"\xff\xfe\x00", "x.nt"),
        ("x.ofn", "Prefix(:=<http://e/>)\nOntology(<http://e/o>)", "functional syntax"),
        ("x.omn", "Prefix: : <http://e/>\nOntology: <http://e/o>", "Manchester"),
        ("x.owx", '<?xml version="1.0"?><Ontology xmlns="http://www.w3.org/2002/07/owl#"/>', "OWL/XML"),
        ("x.ttl", "", "holds no ontology"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(ReaderError, match=said) as found:
        load_ontology(written(tmp_path, name, text), system="colours")
    assert "unterminated" not in str(found.value), "no cell of the file is repeated"


def test_cut_off_anywhere_it_is_an_error_or_an_ontology(tmp_path: Path) -> None:
    content = OWL.read_bytes()
    for end in range(0, len(content), 97):
        try:
            load_ontology(written(tmp_path, "x.owl", content[:end]))
        except (ReaderError, InputError):
            continue
        pytest.fail(f"{end} bytes of XML are no whole file")


def test_without_the_library_the_message_is_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyoxigraph", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'conceptmap\[rdf\]'"):
        load_ontology(OWL)
