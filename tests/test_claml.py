"""ICD-10 in ClaML: an invented classification with every kind of modifier, and spoiled copies."""

from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest
from invented import CLAML

from conceptmap.errors import InputError, ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.claml_modifiers import ModifiedBy, ModifierClass, Stated, composed
from conceptmap.readers.icd10_claml import read_claml
from conceptmap.readers.tables import ReadReport


@pytest.fixture(scope="module")
def icd10() -> Ontology:
    return read_claml(CLAML)


def spoil(tmp_path: Path, old: str, new: str) -> Path:
    content = CLAML.read_text(encoding="utf-8")
    assert old in content
    path = tmp_path / CLAML.name
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    return path


def column(ontology: Ontology, name: str) -> dict[str, object]:
    return dict(ontology.concepts.select("code", name).iter_rows())


def terms(ontology: Ontology, code: str) -> list[tuple[str, str]]:
    return ontology.terms.filter(pl.col("code") == code).select("term", "kind").rows()


def notes(ontology: Ontology, code: str) -> list[tuple[str, str]]:
    assert ontology.remarks is not None
    return ontology.remarks.filter(pl.col("code") == code).select("kind", "text").rows()


def test_classes_and_composed_codes_are_there_in_the_files_order(icd10: Ontology) -> None:
    assert (icd10.system, icd10.release) == ("icd10", "2025")
    assert " ".join(icd10.nodes) == (
        "I Q10-Q29 Q10 Q10.0 Q10.1 Q10.9 Q20 Q20.0 Q20.00 Q20.01 Q20.8 Q21 Q21.X1 "
        "Q22 Q22.0 Q22.1 Q22.9 Q22.00 Q22.01 Q22.10 Q22.11 Q22.90 "
        "Q30-Q39 Q30 Q30.0 Q30.00 Q30.01 Q30.1 II Y00-Y09 Y00 Y00.0 Y00.9 Y06 Y06.0"
    )


def test_hierarchy(icd10: Ontology) -> None:
    assert icd10.ancestors("Q22.11") == {"Q22.1", "Q22", "Q10-Q29", "I"}
    assert icd10.children("Q30") == {"Q30.0", "Q30.1"}
    assert icd10.parents("I") == frozenset()


def test_kinds_and_what_may_be_coded(icd10: Ontology) -> None:
    kinds, billable = column(icd10, "kind"), column(icd10, "billable")
    assert [kinds[code] for code in ("I", "Q10-Q29", "Q10", "Q10.0", "Q21")] == [
        "chapter",
        "block",
        "category",
        "code",
        "category",
    ]
    assert {code for code, valid in billable.items() if valid is None} == {"I", "II", "Q10-Q29", "Q30-Q39", "Y00-Y09"}
    assert {code for code, valid in billable.items() if valid is False} == {"Q10", "Q20", "Q22", "Q30", "Y06"}
    assert billable["Q21"], "only an optional fifth character lies below"


def test_codes_of_optional_characters_are_expanded_and_have_no_terms(icd10: Ontology) -> None:
    expanded = {code for code, value in column(icd10, "expanded").items() if value}
    fifth = {"Q20.00", "Q20.01", "Q21.X1", "Q22.00", "Q22.01", "Q22.10", "Q22.11", "Q22.90", "Q30.00", "Q30.01"}
    assert expanded == fifth | {"Y00.0", "Y00.9"}
    assert not expanded & set(icd10.terms["code"])
    assert set(icd10.nodes) - expanded == set(icd10.terms["code"])
    assert icd10.name("Q22.11") == "Velmora of the wing, with lumenel involvement, right wing"
    assert icd10.name("Y00.9") == "Fall from a cloud, unspecified place"


def test_terms_are_rubrics_without_references(icd10: Ontology) -> None:
    assert terms(icd10, "I") == [("Invented diseases", "preferred"), ("diseases of invented people", "includes")]
    assert terms(icd10, "Q10") == [("Velmora disease", "preferred"), ("Velmora disease, any course", "synonym")]
    assert terms(icd10, "Q10.0") == [
        ("Velmora disease, with stupor", "preferred"),
        ("Velmora disease, velmoric stupor", "inclusion"),
    ]
    assert terms(icd10, "Q20.0") == [
        ("Wing rash", "preferred"),
        ("Rash of: wing feather", "inclusion"),
        ('Vitamin Q12 & "feather" rash', "inclusion"),
    ]


def test_notes_keep_references_and_marks(icd10: Ontology) -> None:
    assert notes(icd10, "I") == [("excludes", "real diseases (A00-Z99)")]
    assert notes(icd10, "Q10") == [("coding_hint", "Use additional code, if desired, to identify the wing.")]
    assert notes(icd10, "Q20.0") == [("dagger_asterisk", "Wing rash (Q30.0*)")]
    assert notes(icd10, "Q10.1") == [("dagger_asterisk", "With lumenel involvement (Q30.0*)")]
    assert notes(icd10, "Q30.1") == [("definition", "A lumenel as pale as milk.")]


def test_usage_is_the_classs_or_the_modifiers(icd10: Ontology) -> None:
    usage = {code: mark for code, mark in column(icd10, "usage").items() if mark}
    assert usage == {
        **dict.fromkeys(["Q10.1", "Q20.0", "Q20.00", "Q20.01", "Q22.1"], "dagger"),
        **dict.fromkeys(["Q30.0", "Q30.00", "Q30.01"], "aster"),
    }


def test_a_label_is_taken_in_the_language_asked_for_where_there_is_one() -> None:
    assert read_claml(CLAML, language="en").name("Q10") == "Velmora disease"
    german = read_claml(CLAML, language="de")
    assert (german.name("Q10"), german.name("Q20")) == ("Velmora-Krankheit", "Wing disorders")


def test_a_zip_with_its_dtd_serves(tmp_path: Path, icd10: Ontology) -> None:
    path = tmp_path / "icd10invented2025en.xml.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("ClaML.dtd", "<!ELEMENT ClaML ANY>")
        packed.writestr("about.xml", "<about/>")
        packed.writestr("icd10invented2025en.xml", CLAML.read_bytes())
    assert read_claml(path).concepts.equals(icd10.concepts)


def test_system_and_release_can_be_given() -> None:
    ontology = read_claml(CLAML, system="icd10gm", release="2026")
    assert (ontology.system, ontology.release) == ("icd10gm", "2026")


# -- modifiers, one by one --------------------------------------------------------------------------------------------

DIGITS = (ModifierClass("0", "Zero"), ModifierClass("1", "One"))
DOTTED = (ModifierClass(".0", "Zero"), ModifierClass(".1", "One"))


def codes(
    code: str, *modifiers: ModifiedBy, values: tuple[ModifierClass, ...] = DIGITS, excluded: str = ""
) -> list[str]:
    stated = [Stated(True, modifiers, frozenset(excluded.split()))]
    return [new.code for new in composed(code, stated, dict.fromkeys((m.modifier for m in modifiers), values))]


@pytest.mark.parametrize(
    ("code", "modifier", "values", "expected"),
    [
        ("E10", ModifiedBy("S04E10_4", None, None), DOTTED, ["E10.0", "E10.1"]),
        ("E10", ModifiedBy("other", None, None), DOTTED, ["E10.0", "E10.1"]),
        ("W00", ModifiedBy("S20W00_4", None, None), DIGITS, ["W00.0", "W00.1"]),
        ("I70.0", ModifiedBy("I70M10_5", None, None), DIGITS, ["I70.00", "I70.01"]),
        ("I70.0", ModifiedBy("other", None, None), DIGITS, ["I70.00", "I70.01"]),
        ("M45", ModifiedBy("S13M40_5", None, None), DIGITS, ["M45.X0", "M45.X1"]),
        ("M45", ModifiedBy("other", 5, None), DIGITS, ["M45.X0", "M45.X1"]),
        ("I70.0", ModifiedBy("any_5", None, frozenset({"1"})), DIGITS, ["I70.01"]),
        ("W26.0", ModifiedBy("S20W00_4", None, None), DIGITS, []),
    ],
)
def test_positions(code: str, modifier: ModifiedBy, values: tuple[ModifierClass, ...], expected: list[str]) -> None:
    assert codes(code, modifier, values=values) == expected


def test_the_nearest_modifier_for_a_position_counts_and_an_excluded_one_does_not() -> None:
    near, far = ModifiedBy("near_4", None, None), ModifiedBy("far_4", None, None)
    values = {"near_4": (ModifierClass("7", "Near"),), "far_4": (ModifierClass("8", "Far"),)}
    category, chapter = Stated(True, (near,), frozenset()), Stated(False, (far,), frozenset())
    assert [(new.code, new.optional) for new in composed("W00", [category, chapter], values)] == [("W00.7", False)]
    plain = Stated(True, (), frozenset())
    assert [(new.code, new.optional) for new in composed("W00", [plain, chapter], values)] == [("W00.8", True)]
    excluding = Stated(True, (), frozenset({"far_4"}))
    assert not list(composed("W00", [excluding, chapter], values))


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('<Class code="Y06.0" kind', '<Class code="Y00" kind', r"line 100: a second Class Y00"),
        (
            '<Label xml:lang="en">Fall from a full moon</Label>',
            "",
            "line 100: a Class Y06.0 without a preferred rubric",
        ),
        (
            '<SuperClass code="Y06"/>',
            '<SuperClass code="Y07"/>',
            "line 100: Class Y06.0 has a SuperClass that is no Class: Y07",
        ),
        ('<Class code="Y06.0"', '<Class code=""', "line 100: a Class without a code"),
        ('<ModifiedBy code="S02Y00_4"/>', '<ModifiedBy code="S99"/>', "Class Y00-Y09 is modified by S99, which no"),
        (
            '<ModifierClass code="9" modifier="S02Y00_4">',
            '<ModifierClass code="9">',
            "a ModifierClass  9 without modifier",
        ),
    ],
)
def test_a_malformed_class_is_named_or_listed(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = spoil(tmp_path, old, new)
    with pytest.raises(ReaderError, match=rf"icd10invented2025en\.xml, line \d+: .*{reason.split(': ', 1)[-1]}"):
        read_claml(path)
    report = ReadReport()
    assert read_claml(path, strict=False, report=report).concepts.height >= 30
    assert report.n_malformed == 1
    assert reason in f"line {report.malformed[0].line}: {report.malformed[0].reason}"


def test_entities_are_refused(tmp_path: Path) -> None:
    path = spoil(tmp_path, '<!DOCTYPE ClaML SYSTEM "ClaML.dtd">', '<!DOCTYPE ClaML [<!ENTITY a "aaaa">]>')
    with pytest.raises(ReaderError, match="line 2: an entity declaration"):
        read_claml(path)


def test_what_is_no_claml_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "other.xml").write_text("<other/>", encoding="utf-8")
    with pytest.raises(ReaderError, match="has to hold one ClaML file: got none"):
        read_claml(tmp_path)
    with pytest.raises(ReaderError, match="not well-formed XML"):
        read_claml(spoil(tmp_path, "</ClaML>", ""))
    with pytest.raises(ReaderError, match="names no version"):
        read_claml(spoil(tmp_path, 'date="2025-01-01" name="ICD-10-INVENTED" version="2025"', 'name="x"'))
    with pytest.raises(InputError, match="there is no release"):
        read_claml(tmp_path / "absent.xml")


def test_a_cycle_is_an_error(tmp_path: Path) -> None:
    path = spoil(
        tmp_path, '<Class code="I" kind="chapter">', '<Class code="I" kind="chapter"><SuperClass code="Q10-Q29"/>'
    )
    with pytest.raises(ReaderError, match="a concept may not be its own ancestor"):
        read_claml(path)
