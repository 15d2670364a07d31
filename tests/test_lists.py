"""Any list as an ontology; RxNorm, NCI identifiers, packages in another language, OBO 1.0."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from invented import RF2, UMLS, copied, file_of

from conceptmap.cli import main
from conceptmap.errors import ConceptMapError, InputError, ReaderError
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.readers import is_release, load_ontology
from conceptmap.readers.snomed_rf2 import read_rf2
from conceptmap.readers.tables import ReadReport

LIST = """Code,Label,Parent,Type,Status,Replaced by
A1,Lorvanitis,,disorder,active,
A1,"inflammation, lorvan",,,,
A2,Acute lorvanitis,A1|A9,disorder,active,
A3,Old lorvanitis,A1,finding,retired,A2
A4,Lorvectomy,A1;A2,procedure,,
"""


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_list_is_an_ontology(tmp_path: Path) -> None:
    report = ReadReport()
    ontology = load_ontology(written(tmp_path, "ours.csv", LIST), system="ours", report=report)
    assert (ontology.system, ontology.release, ontology.concepts.height) == ("ours", "undated", 4)
    assert ontology.terms.filter(code="A1")["term"].to_list() == ["Lorvanitis", "inflammation, lorvan"]
    assert ontology.parents("A4") == {"A1", "A2"}
    assert ontology.current("A3") == {"A2"}
    assert ontology.terms.filter(code="A3").height == 0
    assert ontology.concepts["semantic_tag"].to_list() == ["disorder", "disorder", "finding", "procedure"]
    assert report.left_out == {"parents that the list does not hold": 1}
    mapper = ConceptMapper.load(build_index(ontology, None), encoder=None)
    found = mapper.code(pl.DataFrame({"note_id": ["1"], "text": ["Acute lorvanitis, lorvectomy done."]}))
    assert set(found["code"]) == {"A2", "A4"}


@pytest.mark.parametrize("kind", ["tsv", "semicolons", "parquet"])
def test_lists_come_in_several_forms(kind: str, tmp_path: Path) -> None:
    plain = pl.DataFrame({"concept_id": [101, 102], "name": ["Lorvanitis", "Fever"], "broader": [None, 101]})
    path = tmp_path / ("ours.parquet" if kind == "parquet" else "ours.tsv" if kind == "tsv" else "ours.csv")
    if kind == "parquet":
        plain.write_parquet(path)
    else:
        plain.write_csv(path, separator="\t" if kind == "tsv" else ";", include_bom=True)
    ontology = load_ontology(path, system="ours", release="7")
    assert ontology.release == "7"
    assert ontology.name("102") == "Fever"
    assert ontology.parents("102") == {"101"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "is no list of concepts: got 2 columns, expected code and term among"),
        ("code,term\n", "lists no concept"),
        ("code,term\n1,Fever\n,Cough\n", "line 3: code is blank"),
        ("code,term\n1,Fever\n2,\n", "line 3: term is blank"),
        ("code,term,parent\n1,Fever,2\n2,Cough,1\n", "lies below"),
        ("code,term\n1,caf\xe9\n", "line 2: not UTF-8"),
    ],
)
def test_what_is_no_list_is_told_with_its_line(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ours.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ReaderError, match=message):
        load_ontology(path, system="ours")


def test_lenient_reading_leaves_bad_rows_out(tmp_path: Path) -> None:
    path = written(tmp_path, "ours.csv", "code,term,parent\n1,Fever,2\n,x,\n2,Cough,1\n")
    report = ReadReport()
    ontology = load_ontology(path, system="ours", strict=False, report=report)
    assert (ontology.concepts.height, ontology.edges.height, report.n_malformed) == (2, 1, 1)
    assert report.left_out == {"parents that close a cycle": 1}


def test_the_command_line_asks_for_the_system_of_a_list(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "ours.csv", LIST)
    assert is_release(path)
    command = ["build", str(path), "-o", str(tmp_path / "index"), "--encoder", "none"]
    assert main(command) == 2
    assert "name it: --system local" in capfd.readouterr().err
    assert main([*command, "--system", "ours", "--only", "disorder"]) == 0
    with pytest.raises(InputError, match="does not say of which system"):
        load_ontology(path)


CONSO = [
    ("161", "RXNORM", "IN", "acetaminophen", "N"),
    ("202433", "RXNORM", "BN", "Tylenol", "N"),
    ("313782", "RXNORM", "SY", "APAP 325 mg tablet", "N"),
    ("313782", "RXNORM", "SCD", "acetaminophen 325 MG Oral Tablet", "N"),
    ("209387", "RXNORM", "SBD", "acetaminophen 325 MG Oral Tablet [Tylenol]", "N"),
    ("999", "MSH", "IN", "Something else", "N"),
    ("998", "RXNORM", "IN", "Gone", "O"),
]
REL = [
    ("161", "313782", "has_ingredient"),  # what the second is, or has, of the first
    ("313782", "161", "ingredient_of"),
    ("209387", "313782", "has_tradename"),
    ("313782", "209387", "tradename_of"),
    ("161", "202433", "tradename_of"),
]
STY = [("161", "T109", "Organic Chemical"), ("161", "T121", "Pharmacologic Substance")]


def conso(rows: list[tuple[str, str, str, str, str]]) -> str:
    cells = "{0}|ENG||||||A1||||{1}|{2}|{0}|{3}||{4}|4096|\n"
    return "".join(cells.format(*row) for row in rows)


def rxnorm(folder: Path) -> Path:
    top = folder / "RxNorm_full_01062025"
    for inside, rows in (("rrf", CONSO), ("prescribe/rrf", CONSO[:1])):
        (top / inside).mkdir(parents=True)
        written(top / inside, "RXNCONSO.RRF", conso(rows))
    related = "".join(f"{one}||CUI|RO|{two}||CUI|{rela}|1||RXNORM||||N|4096|\n" for one, two, rela in REL)
    written(top / "rrf", "RXNREL.RRF", related)
    written(top / "rrf", "RXNSTY.RRF", "".join(f"{cui}|{tui}|A1|{name}|AT1||\n" for cui, tui, name in STY))
    return top


def test_rxnorm_is_read(tmp_path: Path) -> None:
    ontology = load_ontology(rxnorm(tmp_path))
    assert (ontology.system, ontology.release) == ("rxnorm", "2025-01-06")
    assert dict(ontology.concepts.select("code", "kind").iter_rows()) == {
        "161": "IN",
        "202433": "BN",
        "209387": "SBD",
        "313782": "SCD",
    }
    assert ontology.name("313782") == "acetaminophen 325 MG Oral Tablet"
    assert ontology.ancestors("209387") == {"161", "313782"}
    assert ontology.parents("202433") == {"161"}
    assert ontology.concepts.filter(code="161")["semantic_tag"].item() == "Organic Chemical; Pharmacologic Substance"
    mapper = ConceptMapper.load(build_index(ontology, None), encoder=None)
    found = mapper.code(pl.DataFrame({"note_id": ["1"], "text": ["Takes acetaminophen 325 MG oral tablet."]}))
    assert found["code"].to_list() == ["313782"]


def test_concepts_of_the_nci_metathesaurus_are_read(tmp_path: Path) -> None:
    release = copied(UMLS / "2025AA", tmp_path)
    for path in release.rglob("*.RRF"):
        path.write_bytes(path.read_bytes().replace(b"C9900002", b"CL448395").replace(b"C9900003", b"CL1378217"))
    ontology = load_ontology(release, release="202408")
    plain = load_ontology(UMLS)
    assert {"CL448395", "CL1378217"} <= set(ontology.nodes)
    assert ontology.edges.height == plain.edges.height
    assert ontology.name("CL448395") == plain.name("C9900002")
    assert ontology.node("cl448395") == "CL448395"


def test_a_package_in_another_language_is_read_in_it(tmp_path: Path) -> None:
    release = copied(RF2, tmp_path)
    path = file_of(release, "der2_cRefset_LanguageSnapshot")
    other = b"450828004"
    path.write_bytes(path.read_bytes().replace(b"900000000000509007", other).replace(b"900000000000508004", other))
    report = ReadReport()
    ontology = read_rf2(release, report=report)
    assert ontology.concepts.height
    assert [rule for rule in report.left_out if "450828004, as there is no en-US" in rule]
    with pytest.raises(ConceptMapError, match="no such language reference set"):
        read_rf2(release, language="en-US")


def test_obo_of_version_1_0_has_its_references(tmp_path: Path) -> None:
    path = written(
        tmp_path, "old.obo", "format-version: 1.0\n\n[Term]\nid: X:1\nname: Fever\nxref_analog: ICD-10:R50\n"
    )
    assert load_ontology(path).maps is not None
    assert load_ontology(path).maps.select("target_system", "target_code").rows() == [("icd10", "R50")]  # type: ignore[union-attr]
