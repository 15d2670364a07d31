"""UMLS RRF: an invented META folder in the exact format, whole, by source and language, and spoiled."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from invented import ACUTE, LUMENEL, UMLS, VELMORA, copied, file_of, spoiled, zipped

from conceptmap.cli import main
from conceptmap.errors import InputError, ReaderError
from conceptmap.index.index import ConceptIndex
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup import roll_up
from conceptmap.readers.tables import ReadReport
from conceptmap.readers.umls_rrf import read_rrf

DISORDERS, DISEASE, LUMENEL_DISEASES, LUMENELITIS, ACUTE_DISEASE, GERMAN, MAP_SET = (f"C990000{n}" for n in range(1, 8))


@pytest.fixture(scope="module")
def whole() -> Ontology:
    return read_rrf(UMLS)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return copied(UMLS, tmp_path)


def names(ontology: Ontology) -> dict[str, str]:
    return dict(ontology.concepts.select("code", "name").iter_rows())


def terms(ontology: Ontology, code: str) -> list[tuple[str, str]]:
    return ontology.terms.filter(pl.col("code") == code).select("term", "kind").rows()


def same(one: Ontology, other: Ontology) -> bool:
    frames = ("concepts", "terms", "edges", "maps", "remarks")
    return all(getattr(one, name).equals(getattr(other, name)) for name in frames)


def test_a_concept_of_several_semantic_types_is_rolled_up_to_each(whole: Ontology) -> None:
    (two,) = whole.concepts.filter(pl.col("semantic_tag").str.contains(";"))["code"]
    for tag in ("Finding", "Disease or Syndrome"):
        assert roll_up([two], whole, to=tag) == [{two}]


def test_every_concept_with_a_wanted_name_is_there(whole: Ontology) -> None:
    assert (whole.system, whole.release) == ("umls", "2025AA")
    assert names(whole) == {
        DISORDERS: "Invented Disorders",
        DISEASE: "Disease, Velmora",
        LUMENEL_DISEASES: "Lumenel Diseases",
        LUMENELITIS: "Lumenelitis, Velmora",
        ACUTE_DISEASE: "Acute velmora disease",
        MAP_SET: "SNOMEDCT_US_2025_03_01 to ICD10CM_2025 Mappings",
    }


def test_names_keep_quotes_and_stand_once(whole: Ontology) -> None:
    assert terms(whole, DISEASE) == [
        ("Disease, Velmora", "preferred"),
        ("Velmora disease", "synonym"),
        ('Velmora "pale" fever', "synonym"),
        ('The 12" rash', "synonym"),
    ]


def test_white_space_is_no_name(release: Path) -> None:
    spoiled(release, "MRCONSO", b'|The 12" rash|', b"|  |")
    spoiled(release, "MRCONSO", b"|Lumenel disorder|", b"| Lumenel disorder |")
    report = ReadReport()
    ontology = read_rrf(release, report=report)
    assert 'The 12" rash' not in dict(terms(ontology, DISEASE))
    assert ("Lumenel disorder", "synonym") in terms(ontology, LUMENEL_DISEASES)
    assert report.left_out["names of white space alone"] == 1


def test_without_ranks_the_term_status_decides(release: Path) -> None:
    file_of(release, "MRRANK").unlink()
    assert names(read_rrf(release)) | {MAP_SET: ""} == {
        DISORDERS: "Invented Disorders",
        DISEASE: "Velmora disease",
        LUMENEL_DISEASES: "Lumenel disorder",
        LUMENELITIS: "Velmora lumenelitis",
        ACUTE_DISEASE: "Acute velmora disease",
        MAP_SET: "",
    }


def test_sources_are_chosen_by_abbreviation() -> None:
    snomed = read_rrf(UMLS, sabs=["SNOMEDCT_US"])
    assert names(snomed)[DISEASE] == "Velmora disease"
    assert snomed.parents(LUMENELITIS) == {DISEASE, LUMENEL_DISEASES}
    assert snomed.remarks is not None
    assert snomed.remarks.height == 0
    mesh = read_rrf(UMLS, sabs=["MSH"])
    assert set(mesh.nodes) == {DISORDERS, DISEASE, LUMENEL_DISEASES, LUMENELITIS}
    assert mesh.parents(LUMENELITIS) == {LUMENEL_DISEASES}


def test_languages_are_chosen() -> None:
    assert names(read_rrf(UMLS, languages=["GER"])) == {
        DISEASE: "Velmora-Krankheit, Fieber à la lune",
        GERMAN: "Nur deutsch",
    }
    every = read_rrf(UMLS, languages=None)
    assert ("Velmora-Krankheit, Fieber à la lune", "synonym") in terms(every, DISEASE)
    assert every.parents(DISEASE) == {DISORDERS, GERMAN}


def test_suppressed_names_and_edges_come_back_when_asked_for() -> None:
    report = ReadReport()
    ontology = read_rrf(UMLS, suppress=("N", "O"), report=report)
    assert ("Velmorra disease", "synonym") in terms(ontology, DISEASE)
    assert ontology.remarks is not None
    assert ontology.remarks.height == 2
    assert sum(report.left_out.values()) == 3, "a suppressed row of MRREL closes one more cycle"


def test_unknown_sources_and_languages_are_refused() -> None:
    with pytest.raises(InputError, match=r"no such source \(SAB\): got SNOMED, expected of ICD10CM, MSH, MSHGER"):
        read_rrf(UMLS, sabs=["MSH", "SNOMED"])
    with pytest.raises(InputError, match=r"no such language \(LAT\): got EN, expected of ENG, GER"):
        read_rrf(UMLS, languages=["EN"])


def test_semantic_types_are_joined(whole: Ontology) -> None:
    rows = whole.concepts.filter(pl.col("code").is_in([LUMENELITIS, DISEASE, ACUTE_DISEASE])).select(
        "semantic_tag", "tui"
    )
    assert rows.rows() == [
        ("Disease or Syndrome", "T047"),
        ("Finding; Disease or Syndrome", "T033; T047"),
        (None, None),
    ]


def test_definitions_are_remarks(whole: Ontology) -> None:
    assert whole.remarks is not None
    said = 'A disease of invented people, who call it "pale".'
    assert whole.remarks.rows() == [(DISEASE, DISEASE, "definition", said)]


def test_source_codes_are_maps_from_the_concept(whole: Ontology) -> None:
    assert whole.maps is not None
    rows = whole.maps.filter((pl.col("relation") == "source_code") & (pl.col("code") == DISEASE))
    assert rows.select("source_system", "target_system", "target_code", "map_set").rows() == [
        ("umls", "mesh", "D999002", "MSH"),
        ("umls", "snomedct", VELMORA, "SNOMEDCT_US"),
        ("umls", "icd10cm", "Q99.8", "ICD10CM"),
    ]


def test_mrmap_is_read_with_rules_and_blank_targets(whole: Ontology) -> None:
    assert whole.maps is not None
    columns = [
        "code",
        "source_system",
        "target_system",
        "target_code",
        "map_group",
        "map_priority",
        "map_rule",
        "map_set",
    ]
    assert whole.maps.filter(pl.col("relation") == "map").select(columns).rows() == [
        (ACUTE, "snomedct", "icd10cm", "Q91.0", 1, 1, "IFA 248153007 | Male |", MAP_SET),
        (ACUTE, "snomedct", "icd10cm", "Q91.1", 1, 2, "OTHERWISE TRUE", MAP_SET),
        (LUMENEL, "snomedct", "icd10cm", None, 1, 1, "TRUE", MAP_SET),
    ]
    assert set(whole.maps.columns) >= {"MAPSETSAB", "MAPSUBSETID", "FROMRULE", "TORES", "MAPATV", "map_advice"}


# -- hierarchy --------------------------------------------------------------------------------------------------------


def test_mrrel_says_what_the_second_concept_is_to_the_first(whole: Ontology) -> None:
    assert whole.parents(DISEASE) == {DISORDERS}
    assert whole.children(DISEASE) == {LUMENELITIS, ACUTE_DISEASE}
    assert whole.ancestors(LUMENELITIS) == {DISEASE, LUMENEL_DISEASES, DISORDERS}


def test_either_direction_of_a_row_serves(release: Path) -> None:
    path = file_of(release, "MRREL")
    lines = path.read_bytes().splitlines(True)
    for kind in (b"|PAR|", b"|CHD|"):
        path.write_bytes(b"".join(line for line in lines if kind in line and b"|O||" not in line))
        assert set(read_rrf(release).edges.rows()) == set(read_rrf(UMLS).edges.rows())


def test_edges_against_the_hierarchy_and_to_themselves_are_left_out_and_counted() -> None:
    report = ReadReport()
    ontology = read_rrf(UMLS, report=report)
    assert (LUMENEL_DISEASES, LUMENELITIS) in ontology.edges.rows()
    assert report.left_out == {"MRREL edges that close a cycle or lead back to their own concept": 2}


def test_mrhier_gives_the_hierarchy_where_there_is_no_mrrel(release: Path) -> None:
    named = read_rrf(UMLS, hierarchy="MRHIER")
    file_of(release, "MRREL").unlink()
    found = read_rrf(release)
    assert (
        set(found.edges.rows())
        == set(named.edges.rows())
        == {
            (DISORDERS, DISEASE),
            (DISORDERS, LUMENEL_DISEASES),
            (DISEASE, LUMENELITIS),
            (LUMENEL_DISEASES, LUMENELITIS),
        }
    )
    file_of(release, "MRHIER").unlink()
    assert read_rrf(release).edges.height == 0
    with pytest.raises(ReaderError, match=r"holds no MRHIER\.RRF"):
        read_rrf(release, hierarchy="MRHIER")
    assert read_rrf(UMLS, hierarchy="none").edges.height == 0


# -- wrappings and mistakes -------------------------------------------------------------------------------------------


def test_a_zip_reads_as_its_folder(whole: Ontology, tmp_path: Path) -> None:
    assert same(read_rrf(zipped(UMLS, tmp_path / "umls.zip")), whole)


def test_the_folder_meta_alone_serves(whole: Ontology) -> None:
    assert same(read_rrf(UMLS / "2025AA" / "META"), whole)


def test_a_meta_folder_is_found_however_deep_it_lies(whole: Ontology, release: Path, tmp_path: Path) -> None:
    deep = tmp_path / "downloads" / "umls-full" / "2025AA-full" / "extracted"
    deep.mkdir(parents=True)
    release.rename(deep / "release")
    found = read_rrf(tmp_path / "downloads")
    assert same(found, whole)
    assert found.release == "2025AA"
    packed = zipped(tmp_path / "downloads", tmp_path / "deep.zip")
    assert same(read_rrf(packed), whole)


def test_two_meta_folders_are_not_guessed_between(release: Path) -> None:
    again = release / "2025AB" / "META"
    again.mkdir(parents=True)
    (again / "MRCONSO.RRF").write_bytes(file_of(release, "MRCONSO.RRF").read_bytes() * 2)
    with pytest.raises(ReaderError, match="several files named MRCONSO"):
        read_rrf(release)


def test_a_release_may_be_named_on_the_command_line(release: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    given = ["build", str(release), "-o", str(index), "--system", "umls", "--encoder", "none", "--release", "2099AB"]
    assert main(given) == 0
    assert ConceptIndex.open(index).release == "2099AB"
    assert ConceptIndex.open(index).ontology().release == "2099AB"


def test_mrconso_alone_serves(tmp_path: Path) -> None:
    (tmp_path / "2025AA").mkdir()
    (tmp_path / "2025AA" / "MRCONSO.RRF").write_bytes(file_of(UMLS, "MRCONSO").read_bytes())
    ontology = read_rrf(tmp_path)
    assert (ontology.release, ontology.concepts.height, ontology.edges.height) == ("2025AA", 6, 0)


def test_rows_counted_are_the_files_own() -> None:
    report = ReadReport()
    read_rrf(UMLS, report=report)
    for path, rows in report.rows.items():
        assert rows == len((UMLS / path).read_bytes().splitlines())
    assert {Path(path).stem for path in report.rows} == {"MRCONSO", "MRDEF", "MRMAP", "MRRANK", "MRREL", "MRSTY"}


def test_the_release_is_found_or_asked_for(release: Path, tmp_path: Path) -> None:
    spoiled(release, "release.dat", b"2025AA", b"2025AB")
    assert read_rrf(release).release == "2025AB"
    file_of(release, "release.dat").unlink()
    assert read_rrf(release).release == "2025AA", "the folder's name"
    (release / "2025AA").rename(release / "latest")
    with pytest.raises(ReaderError, match="does not say which release it is"):
        read_rrf(release)
    assert read_rrf(release, release="mine").release == "mine"
    (release / "latest" / "META" / "MRDOC.RRF").write_bytes(
        b"X|Y|Z|W|\nRELEASE|umls.release.name|release_info|2024AB|\n"
    )
    assert read_rrf(release).release == "2024AB"


def test_no_mrconso_says_what_to_do(tmp_path: Path, release: Path) -> None:
    file_of(release, "MRCONSO").unlink()
    with pytest.raises(ReaderError, match=r"holds no MRCONSO\.RRF.*give the folder META"):
        read_rrf(release)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "2025aa-1-meta.nlm").write_bytes(b"x")
    with pytest.raises(ReaderError, match=r"got \*\.nlm; run MetamorphoSys"):
        read_rrf(tmp_path / "full", release="2025AA")


@pytest.mark.parametrize("name", ["MRREL", "MRMAP"])
def test_a_zero_byte_hierarchy_or_map_file_is_a_broken_download_and_no_absence(release: Path, name: str) -> None:
    file_of(release, name).write_bytes(b"")
    with pytest.raises(ReaderError, match=rf"{name}\.RRF, line 1: the file has 0 bytes.*download the release again"):
        read_rrf(release)
    report = ReadReport()
    ontology = read_rrf(release, strict=False, report=report)
    assert [(row.file, row.line) for row in report.malformed] == [(f"{name}.RRF", 1)]
    file_of(release, name).unlink()
    without = read_rrf(release)
    assert ontology.edges.equals(without.edges)
    assert without.maps is not None
    assert ontology.maps is not None
    assert without.maps.equals(ontology.maps)


def test_zero_byte_files_have_no_rows(release: Path) -> None:
    for name in ("MRDEF", "MRSTY", "MRRANK"):
        file_of(release, name).write_bytes(b"")
    file_of(release, "MRREL").unlink()
    ontology = read_rrf(release)
    assert (ontology.concepts.height, ontology.edges.height) == (6, 4), "the hierarchy is MRHIER's"
    file_of(release, "MRCONSO").write_bytes(b"")
    with pytest.raises(ReaderError, match=r"holds no MRCONSO\.RRF"):
        read_rrf(release)


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("MRCONSO", b"|N||\n", b"|N|\n", "line 1: got 18 fields, expected 19"),
        ("MRCONSO", b"|N||\n", b"|N||x\n", "line 1: text after the last field"),
        ("MRCONSO", b"Velmora disease", b"Velmora | disease", "line 3: got 20 fields, expected 19"),
        ("MRCONSO", b"Velmora disease", b"", "line 3: STR is blank"),
        ("MRCONSO", b"C9900002|", b"C990000|", "line 3: CUI is no identifier of its kind"),
        ("MRCONSO", b"C9900002|", b"K9900002|", "line 3: CUI is no identifier of its kind"),
        ("MRCONSO", b"|A99000003|", b"|A9900000x|", "line 3: AUI is no identifier of its kind"),
        ("MRREL", b"|PAR|", b"||", "line 1: REL is blank"),
        ("MRREL", b"C9900002|", b"C99000020|", "line 1: CUI1 is no identifier of its kind"),
        ("MRRANK", b"0099|", b"high|", "line 1: RANK is not a number"),
    ],
)
def test_a_malformed_row_is_named_or_listed(release: Path, name: str, old: bytes, new: bytes, reason: str) -> None:
    spoiled(release, name, old, new)
    with pytest.raises(ReaderError, match=rf"2025AA/META/{name}\.RRF, {reason}"):
        read_rrf(release)
    report = ReadReport()
    read_rrf(release, strict=False, report=report)
    assert [f"line {row.line}: {row.reason}" for row in report.malformed] == [reason]


def test_line_ends_and_marks_change_nothing(release: Path, whole: Ontology) -> None:
    for number, path in enumerate(sorted(release.rglob("*.RRF"))):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        path.write_bytes(b"\xef\xbb\xbf" + content if number % 2 else content.replace(b"\n", b"\r\n"))
    assert same(read_rrf(release), whole)
