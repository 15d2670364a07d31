"""Codes of earlier years: what the releases, change files and conversion tables say became of them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest
from invented import OLD_CHAIN, OLD_MAYBE, OLD_NONE, OLD_SAME, RF2, UMLS, VELMORA_LUMENELITIS, copied

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.evaluation.codes import score_codes
from conceptmap.index.given_vectors import read_vectors
from conceptmap.maps.mapping import map_codes
from conceptmap.ontology.earlier import retired_by_table, retired_since
from conceptmap.ontology.history import today, with_retired
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup import roll_up
from conceptmap.readers import load_ontology
from conceptmap.readers.conversions import read_conversions

TABLE = """\
ICD-10-CM Conversion Table\t\t
Current code assignment\tEffective\tPrevious Code(s) Assignment
Q10.11\t2099\tQ10.1
Q20.01\t2099\tQ20.0
Q20.02\t2099\tQ20.0, Q20.9
Q30.5\t2098\tQ30.1-Q30.3; Q30.7
Q30.6\t2099\tQ30.5
"""


def release(codes: dict[str, str], version: str) -> Ontology:
    """An invented ICD-10-CM: three characters make a category, each code lies below the next shorter one."""
    rows = [(code, code, "category" if len(code) == 3 else "code", name) for code, name in codes.items()]
    concepts = pl.DataFrame(rows, schema=["node", "code", "kind", "name"], orient="row").with_columns(
        active=pl.lit(value=True), billable=pl.lit(value=True)
    )
    shorter = {
        code: next((up for end in range(len(code) - 1, 2, -1) if (up := code[:end].rstrip(".")) in codes), None)
        for code in codes
    }
    edges = [(up, code) for code, up in shorter.items() if up]
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    frame = pl.DataFrame(edges, schema={"parent": pl.String, "child": pl.String}, orient="row")
    return Ontology("icd10cm", version, concepts, terms, frame)


OLD = release(
    {
        "Q10": "a",
        "Q10.1": "velmora",
        "Q20": "b",
        "Q20.0": "lumenel",
        "Q20.9": "lumenel, other",
        "Q30": "c",
        "Q30.2": "x",
        "Q40": "d",
        "Q40.1": "Coastal fever",
        "Q40.2": "gone",
    },
    "2098",
)
NEW = release(
    {
        "Q10": "a",
        "Q10.11": "velmora, mild",
        "Q20": "b",
        "Q20.01": "lumenel left",
        "Q20.02": "lumenel right",
        "Q30": "c",
        "Q30.6": "y",
        "Q40": "d",
        "Q40.8": "coastal  fever",
    },
    "2099",
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.txt"
    path.write_text(TABLE)
    return path


def workbook(path: Path, text: str) -> Path:
    """The same rows as a workbook: shared strings, some cells left out, inline ones."""
    rows = [line.split("\t") for line in text.splitlines()]
    strings = sorted({cell for row in rows for cell in row if cell})
    cells = [
        "".join(
            f'<c r="{chr(65 + at)}{n}" t="s"><v>{strings.index(cell)}</v></c>'
            if (at, n) != (0, 3)
            else f'<c r="A3" t="inlineStr"><is><t>{cell}</t></is></c>'
            for at, cell in enumerate(row)
            if cell
        )
        for n, row in enumerate(rows, 1)
    ]
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    data = "".join(f'<row r="{n}">{row}</row>' for n, row in enumerate(cells, 1))
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{''.join(f'<si><t>{s}</t></si>' for s in strings)}</sst>")
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{data}</sheetData></worksheet>")
    return path


def test_a_conversion_table_is_read_as_text_and_as_a_workbook(table: Path, tmp_path: Path) -> None:
    found = read_conversions(table)
    assert found.rows()[:4] == [
        ("Q10.1", "Q10.11", "2099"),
        ("Q20.0", "Q20.01", "2099"),
        ("Q20.0", "Q20.02", "2099"),
        ("Q20.9", "Q20.02", "2099"),
    ]
    assert ("Q30.1-Q30.3", "Q30.5", "2098") in found.rows()
    assert read_conversions(workbook(tmp_path / "table.xlsx", TABLE)).equals(found)
    plain = tmp_path / "table.csv"
    plain.write_text("previous,current\nQ101,Q1011\n")
    assert read_conversions(plain).rows() == [("Q10.1", "Q10.11", "")]


def test_what_is_no_conversion_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("note_id,text\n1,x\n")
    with pytest.raises(InputError, match="no conversion table"):
        read_conversions(path)


def facts(retired: pl.DataFrame) -> dict[str, tuple[list[str], list[str], str]]:
    return {row[0]: row[1:] for row in retired.select("code", "replaced_by", "consider", "change").iter_rows()}


def test_one_successor_replaces_several_may_be_it(table: Path) -> None:
    found = facts(retired_since(OLD, NEW, read_conversions(table)))
    assert found["Q10.1"] == (["Q10.11"], [], "conversion table")
    assert found["Q20.0"] == ([], ["Q20.01", "Q20.02"], "split (conversion table)")
    assert found["Q20.9"] == (["Q20.02"], [], "conversion table")
    assert found["Q30.2"] == (["Q30.6"], [], "conversion table"), "in a range, and two years on"


def test_without_a_table_titles_and_places_tell() -> None:
    found = facts(retired_since(OLD, NEW))
    assert found["Q40.1"] == (["Q40.8"], [], "same title under a new code")
    assert found["Q40.2"] == ([], ["Q40"], "no longer in the release")
    assert found["Q10.1"] == ([], ["Q10"], "no longer in the release")


def test_a_table_alone_tells_of_the_codes_that_it_names(table: Path) -> None:
    found = facts(retired_by_table(read_conversions(table), NEW))
    assert found["Q10.1"][0] == ["Q10.11"]
    assert "Q30.5" in found
    assert "Q40.1" not in found


@pytest.fixture
def whole(table: Path) -> Ontology:
    return with_retired(NEW, retired_since(OLD, NEW, read_conversions(table)))


def test_old_codes_mean_todays_everywhere(whole: Ontology) -> None:
    told = today(pl.Series(["Q10.1", "Q20.0", "Q10.11"]), whole)
    assert sorted(told.rows(), key=str) == [
        ("Q10.1", "Q10.11", "conversion table", None),
        ("Q10.11", "Q10.11", None, None),
        ("Q20.0", None, "split (conversion table)", "Q20.01; Q20.02"),
    ]
    assert whole.current("Q10.1") == {"Q10.11"}
    assert roll_up(["Q10.1", "Q20.0", "Q40.2"], whole, to="category") == [{"Q10"}, {"Q20"}, {"Q40"}]
    assert with_retired(whole, retired_since(OLD, NEW)).concepts.equals(whole.concepts)


def test_evaluation_takes_an_old_code_for_todays(whole: Ontology) -> None:
    gold = pl.DataFrame({"note_id": ["1", "2"], "code": ["Q10.1", "Q40.2"]})
    predicted = pl.DataFrame({"note_id": ["1", "2"], "code": ["Q10.11", "Q40"]})
    scores = score_codes(gold, predicted, ontology=whole)["hierarchy"]
    assert (scores["precision"], scores["recall"]) == (1.0, 0.75), "Q40.2 itself is found nowhere, its category is"
    assert score_codes(gold, predicted, ontology=NEW)["hierarchy"]["recall"] == 0


def test_maps_start_from_todays_code(whole: Ontology) -> None:
    maps = pl.DataFrame({"code": ["Q10.11"], "target_system": ["icd10"], "target_code": ["Q10"], "relation": ["map"]})
    table = Ontology(
        "icd10cm", "2099", whole.concepts, whole.terms, whole.edges, maps.with_columns(map_set=pl.lit("1"))
    )
    found = map_codes(["Q10.1", "Q20.0"], table, to="icd10")
    assert found.select("now_code", "now_reason", "to_code", "map_status").rows() == [
        ("Q10.11", "conversion table", "Q10", "mapped"),
        (None, "split (conversion table)", None, "retired"),
    ]
    assert found["map_candidates"][1] == "Q20.01; Q20.02"


def test_given_vectors_of_old_codes_are_those_of_today(whole: Ontology, tmp_path: Path) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text("code,v0,v1,v2,v3\nQ10.1,1,0,0,0\nQ20.0,0,1,0,0\nQ30.6,1,1,0,0\n")
    given = read_vectors(path, whole)
    assert given.codes == ["Q10.11", "Q30.6"]
    assert given.changed.select("code", "reason", "now", "change").rows() == [
        ("Q10.1", "replaced", "Q10.11", "conversion table"),
        ("Q20.0", "inactive", None, "split (conversion table)"),
    ]


# -- SNOMED CT and the UMLS -------------------------------------------------------------------------------------------


def test_the_reason_is_the_release_s_own(tmp_path: Path) -> None:
    told = today(pl.Series([OLD_SAME, OLD_CHAIN, OLD_MAYBE, OLD_NONE]), load_ontology(RF2))
    assert told.select("now", "reason").rows() == [
        (VELMORA_LUMENELITIS, "same as"),
        (VELMORA_LUMENELITIS, "replaced by"),
        (None, "possibly equivalent to"),
        (None, "retired"),
    ]


@pytest.fixture
def umls(tmp_path: Path) -> Path:
    copy = copied(UMLS, tmp_path)
    meta = next(copy.rglob("META"))
    one, two = load_ontology(UMLS).nodes[:2]
    (meta / "MRCUI.RRF").write_text(
        f"C9800001|2020AA|SY|||C9800002|Y|\nC9800003|2020AA|RB|||{one}|Y|\nC9800003|2020AA|RO|||{two}|Y|\n"
        f"C9800004|2020AA|DEL||||Y|\n{one}|1990AA|RO|||{two}|Y|\n"
    )
    (meta / "CHANGE").mkdir()
    (meta / "CHANGE" / "MERGEDCUI.RRF").write_text(f"C9800002|{one}|\n")
    (meta / "CHANGE" / "DELETEDCUI.RRF").write_text("C9800005|Velmora, obsolete|\n")
    return copy


def test_retired_cuis_lead_to_todays(umls: Path) -> None:
    ontology, before = load_ontology(umls), load_ontology(UMLS)
    one, two = before.nodes[:2]
    assert ontology.current("C9800001") == {one}, "merged, and merged once more"
    assert ontology.current("C9800003") == frozenset()
    assert ontology.name("C9800005") == "Velmora, obsolete"
    assert ontology.current(one) == {one}, "a CUI that is in use again"
    told = {row[0]: row[1:] for row in today(pl.Series([f"C980000{n}" for n in range(1, 6)]), ontology).iter_rows()}
    assert told["C9800001"] == (one, "merged (MRCUI, SY)", None)
    assert told["C9800002"] == (one, "merged (MERGEDCUI)", None)
    assert told["C9800003"] == (None, "broader concept (MRCUI, RB)", "; ".join(sorted((one, two))))
    assert told["C9800004"] == (None, "deleted (MRCUI)", None)
    assert told["C9800005"] == (None, "deleted (DELETEDCUI)", None)
    assert ontology.terms.equals(before.terms)


# -- the commands -----------------------------------------------------------------------------------------------------


def test_commands_take_a_conversion_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """E11.9 is in the release that comes along; E11.7Z is invented."""
    table, codes = tmp_path / "table.txt", tmp_path / "codes.csv"
    table.write_text("Current code assignment\tEffective\tPrevious Code(s) Assignment\nE11.9\t2099\tE11.7Z\n")
    codes.write_text("code\nE11.7Z\n")
    assert main(["rollup", str(codes), "--to", "category"]) == 0
    assert "unknown" in capsys.readouterr().err
    assert main(["rollup", str(codes), "--to", "category", "--conversions", str(table)]) == 0
    out = capsys.readouterr()
    assert "E11.7Z,E11," in out.out
    assert "E11.7Z → E11.9 (conversion table)" in out.err


def test_an_earlier_release_of_another_system_is_refused(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("code\nE11.9\n")
    assert main(["rollup", str(codes), "--to", "category", "--earlier", str(RF2)]) == 2
    assert main(["evaluate", str(codes), str(codes), "--conversions", str(codes)]) == 2
