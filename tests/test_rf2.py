"""SNOMED CT RF2: an invented release in the exact format, whole, at a date, with an extension, and spoiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from invented import (
    ACUTE,
    ANEMIA,
    COASTAL,
    FINDING,
    FRENCH,
    GB,
    LUMENEL,
    NAMESPACE,
    OLD_CHAIN,
    OLD_MAYBE,
    OLD_MOVED,
    OLD_NONE,
    OLD_SAME,
    OLD_WAS,
    RF2,
    RF2_EXTENSION,
    ROOT,
    SITE,
    US,
    VELMORA,
    VELMORA_LUMENELITIS,
    copied,
    file_of,
    spoiled,
    zipped,
)

from conceptmap.errors import InputError, ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.snomed_rf2 import read_rf2
from conceptmap.readers.tables import ReadReport

CONCEPTS = "sct2_Concept_Snapshot"
DESCRIPTIONS = "sct2_Description_Snapshot"
RELATIONSHIPS = "sct2_Relationship_Snapshot"
INACTIVE = {OLD_SAME, OLD_CHAIN, OLD_MAYBE, OLD_MOVED, OLD_WAS, OLD_NONE}


@pytest.fixture(scope="module")
def snapshot() -> Ontology:
    return read_rf2(RF2)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return copied(RF2, tmp_path)


def terms(ontology: Ontology, code: str) -> dict[str, str]:
    return dict(ontology.terms.filter(pl.col("code") == code).select("term", "kind").iter_rows())


def concept(ontology: Ontology, code: str) -> dict[str, object]:
    return ontology.concepts.row(by_predicate=pl.col("code") == code, named=True)


def same(one: Ontology, other: Ontology) -> bool:
    frames = ("concepts", "terms", "edges", "maps", "remarks")
    return all(getattr(one, name).equals(getattr(other, name)) for name in frames)


# -- what a release says ----------------------------------------------------------------------------------------------


def test_concepts_are_all_there_with_their_tags(snapshot: Ontology) -> None:
    assert (snapshot.system, snapshot.release) == ("snomedct", "INT_20250101")
    assert snapshot.concepts.height == 16
    assert set(snapshot.concepts.filter(~pl.col("active"))["code"]) == INACTIVE
    assert concept(snapshot, VELMORA) == {
        "node": VELMORA,
        "code": VELMORA,
        "kind": "concept",
        "name": "Velmora disease",
        "active": True,
        "billable": None,
        "fsn": "Velmora disease (disorder)",
        "semantic_tag": "disorder",
        "module": "900000000000207008",
        "replaced_by": [],
        "consider": [],
        "change": None,
    }
    assert concept(snapshot, SITE)["semantic_tag"] == "body structure"


def test_hierarchy_is_the_active_inferred_one_parent_to_child(snapshot: Ontology) -> None:
    assert snapshot.parents(VELMORA_LUMENELITIS) == {VELMORA, LUMENEL}
    assert snapshot.ancestors(VELMORA_LUMENELITIS) == {VELMORA, LUMENEL, FINDING, ROOT}
    assert snapshot.children(VELMORA) == {VELMORA_LUMENELITIS, ACUTE, ANEMIA}
    assert snapshot.parents("10099999999107") == {ROOT}, "a second parent is inactive in the relationship file"
    assert snapshot.parents(OLD_SAME) == frozenset()


def test_terms_keep_quotes_and_drop_tags(snapshot: Ontology) -> None:
    assert terms(snapshot, VELMORA) == {
        "Velmora disease": "preferred",
        'Velmora "pale" fever': "synonym",
        'The 12" rash': "synonym",
    }
    assert terms(snapshot, LUMENEL) == {
        "Lumenel disorder": "preferred",
        "Lumenel illness": "synonym",
        "Disorder of lumenel": "fsn",
    }
    assert "Acute velmora fever (flare)" in terms(snapshot, ACUTE), "only a fully specified name ends in a tag"
    assert not terms(snapshot, OLD_SAME), "no text may find an inactive concept"


def test_preferred_terms_are_those_of_the_language_reference_set() -> None:
    assert {language: read_rf2(RF2, language=language).name(ANEMIA) for language in ("en-US", "en-GB", US, GB)} == {
        "en-US": "Velmora anemia",
        "en-GB": "Velmora anaemia",
        US: "Velmora anemia",
        GB: "Velmora anaemia",
    }
    british = read_rf2(RF2, language="en-GB")
    assert terms(british, ANEMIA) == {"Velmora anaemia": "preferred", "Velmora anemia": "synonym"}


def test_text_definitions_are_notes(snapshot: Ontology) -> None:
    assert snapshot.remarks is not None
    text = 'A disease of invented people, who call it "pale".'
    assert snapshot.remarks.rows() == [(VELMORA, VELMORA, "definition", text)]


def test_an_old_code_resolves_to_todays(snapshot: Ontology) -> None:
    found = {code: (concept(snapshot, code)["replaced_by"], concept(snapshot, code)["consider"]) for code in INACTIVE}
    assert found == {
        OLD_SAME: ([VELMORA_LUMENELITIS], []),
        OLD_CHAIN: ([VELMORA_LUMENELITIS], []),  # by way of OLD_SAME, which is inactive itself
        OLD_MAYBE: ([], [VELMORA, ACUTE]),
        OLD_MOVED: ([], []),  # moved to a namespace, which is no replacement
        OLD_WAS: ([], [VELMORA]),
        OLD_NONE: ([], []),
    }


def test_historical_associations_are_kept_as_they_are(snapshot: Ontology) -> None:
    assert snapshot.maps is not None
    rows = snapshot.maps.filter(pl.col("target_system") == "snomedct").select("code", "relation", "target_code").rows()
    assert set(rows) == {
        (OLD_SAME, "same_as", VELMORA_LUMENELITIS),
        (OLD_CHAIN, "replaced_by", OLD_SAME),
        (OLD_MAYBE, "possibly_equivalent_to", VELMORA),
        (OLD_MAYBE, "possibly_equivalent_to", ACUTE),
        (OLD_MOVED, "moved_to", NAMESPACE),
        (OLD_WAS, "was_a", VELMORA),
    }


def test_a_loop_of_replacements_ends(release: Path) -> None:
    # OLD_SAME, which became an active concept, becomes OLD_CHAIN, which became OLD_SAME
    spoiled(release, "der2_cRefset_AssociationSnapshot", VELMORA_LUMENELITIS.encode(), OLD_CHAIN.encode())
    ontology = read_rf2(release)
    assert [concept(ontology, code)["replaced_by"] for code in (OLD_SAME, OLD_CHAIN)] == [[], []]


def test_map_rows_keep_rules_groups_and_blank_targets(snapshot: Ontology) -> None:
    assert snapshot.maps is not None
    columns = ["code", "target_code", "map_group", "map_priority", "map_rule", "map_advice", "mapCategoryId"]
    rows = snapshot.maps.filter(pl.col("target_system") == "icd10").select(columns).rows()
    assert rows == [
        (VELMORA, "Q90.1", 1, 1, "TRUE", "ALWAYS Q90.1", "447637006"),
        (LUMENEL, None, 1, 1, "TRUE", "CANNOT BE CLASSIFIED WITH AVAILABLE DATA", "447638001"),
        (ACUTE, "Q91.0", 1, 1, "IFA 248153007 | Male |", "IF MALE CHOOSE Q91.0", "447637006"),
        (ACUTE, "Q91.1", 1, 2, "OTHERWISE TRUE", "ALWAYS Q91.1", "447637006"),
        (ACUTE, "Q95.?", 2, 1, "OTHERWISE TRUE", "ALWAYS Q95.?", "447637006"),
    ]
    simple = snapshot.maps.filter(pl.col("map_set") == "446608001")
    assert simple.select("code", "target_system", "target_code", "map_rule").rows() == [(SITE, "icdo", "C99.9", None)]
    assert set(snapshot.maps.columns) >= {"id", "effectiveTime", "moduleId", "correlationId"}


def test_a_map_to_snomed_ct_is_marked_as_reverse(release: Path) -> None:
    path = file_of(release, "der2_sRefset_SimpleMapSnapshot")
    path.rename(path.with_name("der2_sRefset_SimpleMapToSCTSnapshot_INT_20250101.txt"))
    spoiled(release, "der2_sRefset_SimpleMapToSCT", b"mapTarget", b"mapSource")
    maps = read_rf2(release).maps
    assert maps is not None
    rows = maps.filter(pl.col("relation") == "reverse").select("code", "target_code", "mapSource").rows()
    assert rows == [(SITE, "C99.9", "C99.9")]


# -- the same release in other wrappings ------------------------------------------------------------------------------


def test_a_zip_reads_as_its_folder(snapshot: Ontology, tmp_path: Path) -> None:
    left = {"__MACOSX/._sct2_Concept_Snapshot_INT_20250101.txt": b"\x00", "Readme_en_20250101.txt": b"read me"}
    assert same(read_rf2(zipped(RF2, tmp_path / "release.zip", left)), snapshot)


def test_rows_counted_are_the_files_own() -> None:
    report = ReadReport()
    read_rf2(RF2, report=report)
    for path, rows in report.rows.items():
        assert rows == len((RF2 / path).read_bytes().splitlines()) - 1
    assert len(report.rows) == 8
    assert not report.left_out
    assert not report.malformed


@pytest.mark.parametrize("name", ["xsct2_{}", "zsct2_{}", "SCT2_{}"])
def test_beta_names_are_understood(release: Path, snapshot: Ontology, name: str) -> None:
    for path in release.rglob("sct2_*Snapshot*"):
        path.rename(path.with_name(name.format(path.name.removeprefix("sct2_"))))
    assert same(read_rf2(release), snapshot)


def test_line_ends_marks_and_missing_last_ends_change_nothing(release: Path, snapshot: Ontology) -> None:
    for number, path in enumerate(sorted(release.rglob("*Snapshot*.txt"))):
        content = path.read_bytes()
        path.write_bytes([content.replace(b"\r\n", b"\n"), b"\xef\xbb\xbf" + content, content.rstrip()][number % 3])
    assert same(read_rf2(release), snapshot)


def test_full_files_give_the_newest_content_too(release: Path, snapshot: Ontology) -> None:
    shutil.rmtree(release / "Snapshot")
    assert same(read_rf2(release), snapshot)


def test_header_names_of_older_releases(release: Path, snapshot: Ontology) -> None:
    spoiled(release, "der2_cRefset_AssociationSnapshot", b"targetComponentId", b"targetComponent")
    spoiled(release, "der2_cRefset_LanguageSnapshot", b"refsetId", b"refSetId")
    path = file_of(release, "der2_cRefset_AssociationSnapshot")
    path.rename(path.with_name("der2_cRefset_AssociationReferenceSnapshot_INT_20250101.txt"))
    assert same(read_rf2(release), snapshot)


# -- at a date --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "inactive", "has_acute"),
    [
        ("20230131", set(), False),
        ("20240730", set(), False),
        ("2024-07-31", {OLD_CHAIN}, True),
        (20250101, INACTIVE, True),
    ],
)
def test_full_files_tell_the_content_at_a_date(at: str | int, inactive: set[str], has_acute: bool) -> None:
    ontology = read_rf2(RF2, at=at)
    assert ontology.release == f"INT_20250101@{str(at).replace('-', '')}"
    assert set(ontology.concepts.filter(~pl.col("active"))["code"]) == inactive
    assert (ACUTE in ontology.nodes) == has_acute
    assert ("Velmorra disease" in terms(ontology, VELMORA)) == (not inactive), "the description was withdrawn with it"
    assert (ontology.parents("10099999999107") == {ROOT, SITE}) == (not inactive)


def test_a_date_needs_full_files(release: Path) -> None:
    shutil.rmtree(release / "Full")
    with pytest.raises(InputError, match=r"so 20240101 cannot be told.*sct2_Concept_Full"):
        read_rf2(release, at="20240101")
    with pytest.raises(InputError, match="not a date"):
        read_rf2(RF2, at="2024")


def test_before_the_first_version_there_is_nothing() -> None:
    with pytest.raises(ReaderError, match="no concepts in the release"):
        read_rf2(RF2, at="20000101")


# -- extension and edition --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(RF2, RF2_EXTENSION), (RF2_EXTENSION, RF2)])
def test_an_extension_adds_to_its_edition_and_overrules_it(order: tuple[Path, Path]) -> None:
    report = ReadReport()
    ontology = read_rf2(*order, report=report)
    assert ontology.parents(COASTAL) == {VELMORA}
    assert ontology.name(COASTAL) == "Coastal velmora"
    assert not concept(ontology, ANEMIA)["active"], "the extension's newer version inactivates it"
    assert not terms(ontology, ANEMIA)
    assert report.left_out == {
        "is-a relationships whose parent is inactive": 1,
        "is-a relationships whose child is inactive": 1,
    }
    assert set(ontology.release.split("+")) == {"INT_20250101", "XX9999998_20250301"}


def test_other_languages_come_first_where_they_have_a_term() -> None:
    ontology = read_rf2(RF2, RF2_EXTENSION, language=(FRENCH, "en-US"))
    assert ontology.name(COASTAL) == "maladie de Velmora côtière"
    assert ontology.name(VELMORA) == "maladie de Velmora"
    assert ontology.name(LUMENEL) == "Lumenel disorder"
    french = read_rf2(RF2, RF2_EXTENSION, language=FRENCH)
    assert french.name(LUMENEL) == "Disorder of lumenel", "no French term: the fully specified name without its tag"
    assert terms(french, VELMORA) == {"maladie de Velmora": "preferred"}
    english = read_rf2(RF2, RF2_EXTENSION)
    assert "maladie de Velmora" not in terms(english, VELMORA)


def test_an_extension_alone_says_what_it_lacks() -> None:
    with pytest.raises(ReaderError, match=r"2 is-a relationships have a parent .* give the International edition"):
        read_rf2(RF2_EXTENSION, language=FRENCH)
    report = ReadReport()
    ontology = read_rf2(RF2_EXTENSION, language=FRENCH, strict=False, report=report)
    assert ontology.edges.height == 0
    assert report.left_out["is-a relationships whose parent no file holds"] == 2


# -- what is missing or wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["missing", "empty", "stated", "inactive"])
def test_no_inferred_hierarchy_is_an_error_that_names_the_file(release: Path, how: str) -> None:
    path = file_of(release, RELATIONSHIPS)
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        stated = content.replace(b"900000000000011006", b"900000000000010007")
        inactive = content.replace(b"\t1\t900", b"\t0\t900")
        path.write_bytes({"empty": b"", "stated": stated, "inactive": inactive}[how])
    expected = r"no active inferred is-a .*: got {}, expected sct2_Relationship_Snapshot_\*\.txt"
    got = "no such file" if how == "missing" else r"Snapshot/Terminology/sct2_Relationship_Snapshot_INT_20250101\.txt"
    with pytest.raises(ReaderError, match=expected.format(got)):
        read_rf2(release)


def test_files_of_stated_relationships_and_concrete_values_are_not_read(release: Path, snapshot: Ontology) -> None:
    assert b"#3" in file_of(release, "sct2_RelationshipConcreteValues_Snapshot").read_bytes()
    for name in ("sct2_StatedRelationship_Snapshot", "sct2_RelationshipConcreteValues_Snapshot"):
        file_of(release, name).write_bytes(b"not a table at all")
    assert same(read_rf2(release), snapshot)


def test_a_zero_byte_file_of_text_definitions_has_no_rows(release: Path) -> None:
    file_of(release, "sct2_TextDefinition_Snapshot").write_bytes(b"")
    ontology = read_rf2(release)
    assert ontology.remarks is not None
    assert ontology.remarks.height == 0


def test_a_zero_byte_map_file_is_a_broken_download_and_no_absence(release: Path) -> None:
    path = file_of(release, "der2_sRefset_SimpleMapSnapshot")
    path.write_bytes(b"")
    with pytest.raises(
        ReaderError, match=r"SimpleMapSnapshot.*line 1: the file has 0 bytes.*download the release again"
    ):
        read_rf2(release)
    report = ReadReport()
    ontology = read_rf2(release, strict=False, report=report)
    assert [row.reason[:20] for row in report.malformed] == ["the file has 0 bytes"]
    assert ontology.maps is not None
    assert ontology.maps.height == 11
    path.unlink()
    assert same(read_rf2(release), ontology), "a file that is not there is done without"


@pytest.mark.parametrize("name", [CONCEPTS, DESCRIPTIONS])
def test_a_zero_byte_file_of_what_is_needed_is_an_error(release: Path, name: str) -> None:
    file_of(release, name).write_bytes(b"")
    with pytest.raises(ReaderError, match=r"no concepts in the release|no active descriptions in the release"):
        read_rf2(release)


def test_no_rf2_files_is_said_so(tmp_path: Path, release: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "sct1_Concepts_Core_INT_20110731.txt").write_bytes(b"x")
    with pytest.raises(ReaderError, match="is in Release Format 1"):
        read_rf2(tmp_path / "notes")
    (tmp_path / "notes" / "SnomedCT_Inner.zip").write_bytes(b"x")
    (tmp_path / "notes" / "sct1_Concepts_Core_INT_20110731.txt").unlink()
    with pytest.raises(ReaderError, match=r"notes holds zips: got SnomedCT_Inner\.zip"):
        read_rf2(tmp_path / "notes")
    with pytest.raises(InputError, match="no SNOMED CT release given"):
        read_rf2()
    for path in release.rglob("sct2_Concept_*"):
        path.rename(path.with_name("sct2_Concept_Delta_INT_20250101.txt"))
    with pytest.raises(ReaderError, match=r"lacks the concepts: got only Delta files, expected sct2_Concept_Snapshot"):
        read_rf2(release)


def test_a_language_reference_set_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(InputError, match=f"got 12345678, expected one of {GB}, {US}"):
        read_rf2(RF2, language="12345678")
    with pytest.raises(InputError, match="unknown language: got xx"):
        read_rf2(RF2, language="xx")


def test_without_language_files_the_first_synonym_serves(release: Path) -> None:
    file_of(release, "der2_cRefset_LanguageSnapshot").unlink()
    assert read_rf2(release).name(VELMORA) == "Velmora disease"


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (
            CONCEPTS,
            VELMORA.encode(),
            b"10049999999102",
            "line 5: id is no SCTID of its kind, or its check digit is wrong",
        ),
        (CONCEPTS, VELMORA.encode(), b"1004999999910x", "line 5: id is not a number"),
        (CONCEPTS, b"20230131\t1", b"20230131\t2", "line 2: active is neither 0 nor 1"),
        (CONCEPTS, b"20230131\t1", b"20230131\t", "line 2: active is blank"),
        (CONCEPTS, b"20230131\t1", b"20230131\t9999999999", "line 2: active is not a number"),
        (CONCEPTS, b"20230131\t1", b"20230131 \t1", "line 2: effectiveTime is not a number"),
        (CONCEPTS, b"\t900000000000074008", b"", "line 2: got 4 fields, expected 5"),
        (DESCRIPTIONS, b'The 12" rash', b'The 12" \t rash', "line .*: got 10 fields, expected 9"),
        (DESCRIPTIONS, b'The 12" rash', b"The 12\xff rash", "line .*: not valid UTF-8"),
        (RELATIONSHIPS, VELMORA.encode(), b"", "line .*: (source|destination)Id is blank"),
        ("der2_cRefset_LanguageSnapshot", b"\t900000000000548007", b"\t", "line 2: acceptabilityId is blank"),
    ],
)
def test_a_malformed_row_is_named_or_listed(release: Path, name: str, old: bytes, new: bytes, reason: str) -> None:
    spoiled(release, name, old, new)
    with pytest.raises(ReaderError, match=rf"{name}\S*, {reason}"):
        read_rf2(release)
    report = ReadReport()
    read_rf2(release, strict=False, report=report)
    assert report.n_malformed == 1
    assert report.malformed[0].file.split("/")[-1].startswith(name)


def test_an_id_of_another_component_is_malformed(release: Path) -> None:
    spoiled(release, CONCEPTS, NAMESPACE.encode(), b"19999999110")
    with pytest.raises(ReaderError, match="id is no SCTID of its kind"):
        read_rf2(release)


def test_a_file_without_its_header_is_said_so(release: Path) -> None:
    path = file_of(release, CONCEPTS)
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(ReaderError, match=r"line 1: not the header of a concept file: got 5 columns, expected id "):
        read_rf2(release)


def test_a_blank_term_is_left_out_and_counted(release: Path) -> None:
    spoiled(release, DESCRIPTIONS, b"Lumenel illness", b"")
    spoiled(release, DESCRIPTIONS, b"Velmorase", b" Velmorase ")
    spoiled(release, DESCRIPTIONS, b"Acute velmora fever (flare)", b"  ")
    report = ReadReport()
    assert terms(read_rf2(release, report=report), LUMENEL) == {
        "Lumenel disorder": "preferred",
        "Disorder of lumenel": "fsn",
    }
    assert report.left_out == {"descriptions with a blank term": 2}


def test_a_concept_without_description_is_named_by_its_code(release: Path) -> None:
    path = file_of(release, DESCRIPTIONS)
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if ACUTE.encode() not in line))
    report = ReadReport()
    assert read_rf2(release, report=report).name(ACUTE) == ACUTE
    assert report.left_out == {"concepts without a description, named by their code": 1}


def test_a_cycle_is_an_error(release: Path) -> None:
    line = next(line for line in file_of(release, RELATIONSHIPS).read_bytes().splitlines() if VELMORA.encode() in line)
    turned = (
        line.replace(VELMORA.encode(), b"@").replace(FINDING.encode(), VELMORA.encode()).replace(b"@", FINDING.encode())
    )
    spoiled(
        release, RELATIONSHIPS, line, line.replace(line.split(b"\t")[0], b"990999999912" + b"4", 1) + b"\r\n" + turned
    )
    with pytest.raises(ReaderError, match="SNOMED CT INT_20250101: a concept may not be its own ancestor"):
        read_rf2(release, strict=False)
