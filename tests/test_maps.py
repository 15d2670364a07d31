"""Map rules, routes and what becomes of every map row, held against a slow reading of the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented import ACUTE, LUMENEL, OLD_CHAIN, OLD_MAYBE, RF2, UMLS, VELMORA
from oracles_maps import Patient, answers, chosen, completions, truth

from conceptmap.cli import main
from conceptmap.commands.map import read_findings
from conceptmap.errors import InputError
from conceptmap.maps.mapping import MAPPED, map_codes, trace_maps
from conceptmap.maps.patients import patients
from conceptmap.maps.rules import read_rule
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology

MALE, FEMALE = "248153007 | Male (finding) |", "248152002 | Female (finding) |"
ONSET = "445518008 | Age at onset of clinical finding (observable entity) |"
NOW = "424144002 | Current chronological age (observable entity) |"
# 100000 over 110000 over 111000, 120000 beside: invented, as every name here
EDGES = [("100000", "110000"), ("110000", "111000"), ("100000", "120000")]
CODES = ["100000", "110000", "111000", "120000"]
ABOVE = {"100000": {"100000"}, "110000": {"100000", "110000"}, "120000": {"100000", "120000"}}
ABOVE["111000"] = {"111000", *ABOVE["110000"]}


def ontology(rows: Sequence[Mapping[str, object]]) -> Ontology:
    concepts = pl.DataFrame({"node": CODES, "code": CODES, "name": CODES}).with_columns(
        kind=pl.lit("concept"), active=pl.lit(value=True), billable=pl.lit(None, dtype=pl.Boolean)
    )
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    edges = pl.DataFrame(EDGES, schema={"parent": pl.String, "child": pl.String}, orient="row")
    defaults = {"target_system": "icd10cm", "relation": "map", "map_set": "1", "map_advice": "", "map_group": 1}
    numbered = [{**defaults, "map_priority": at, **row} for at, row in enumerate(rows, 1)]
    return Ontology("test", "2099", concepts, terms, edges, pl.DataFrame(numbered))


def group(*rules: str, code: str = "120000") -> Ontology:
    """One map group; the targets are T1, T2, …"""
    return ontology([{"code": code, "target_code": f"T{at}", "map_rule": rule} for at, rule in enumerate(rules, 1)])


def mapped(table: Ontology, **known: object) -> dict[str, object]:
    """The first row that one code comes to."""
    codes = pl.DataFrame({"code": ["120000"], **{name: [value] for name, value in known.items()}})
    return map_codes(codes, table, to="icd10cm").row(0, named=True)


# -- rules ------------------------------------------------------------------------------------------------------------

FORMS = [
    ("TRUE", "always"),
    ("OTHERWISE TRUE", "otherwise"),
    ("", "blank"),
    (f"IFA {MALE}", "if"),
    (f"IFA {FEMALE}", "if"),
    (f"IFA {ONSET} < 65.0 years", "if"),
    (f"IFA {ONSET} >= 28.0 days AND IFA {ONSET} < 1.0 year", "if"),
    (f"IFA {NOW} >= 15.0 years", "if"),
    ("IFA 110000 | Drug induced velmora of tibia AND fibula (disorder) |", "if"),
    (f"IFA 110000 | Velmora OR lumenel (disorder) | AND IFA {ONSET} <= 28.0 days", "if"),
    (f"IFA ( IFA 110000 | Velmora | OR IFA 120000 | Lumenel | ) AND IFA {FEMALE}", "if"),
    ("IFA 110000|Velmora|AND IFA 120000|Lumenel|", "if"),
    ("IFA 110000", "if"),
    ("IFA 363809009 | Body weight | < 2500 g", "if"),
    (f"IFA {ONSET}", "unread"),
    (f"IFA {ONSET} < 65.0", "unread"),
    ("IFA | Male |", "unread"),
    ("IFA (110000 | Velmora |", "unread"),
    ("IFA 110000 | Velmora | 120000", "unread"),
    ("WHEN 110000", "unread"),
]


@pytest.mark.parametrize(("rule", "kind"), FORMS)
def test_every_form_of_a_rule_is_read_or_named(rule: str, kind: str) -> None:
    read = read_rule(rule)
    assert read.kind == kind
    assert bool(read.fault) == (kind == "unread")


@pytest.mark.parametrize(("rule", "kind"), FORMS)
def test_no_row_is_dropped_whatever_its_rule(rule: str, kind: str) -> None:
    """Read, evaluated or named as not assessable: a row for the code, and a row of its trace for each map row."""
    table = group(rule, "OTHERWISE TRUE")
    found = mapped(table)
    if kind in ("always", "otherwise"):
        assert (found["map_status"], found["to_code"]) == ("mapped", "T1")
    else:
        assert (found["map_status"], found["to_code"]) == ("not assessable", None)
        assert found["map_missing"]
        assert found["map_candidates"] == "T1; T2"
    assert trace_maps(["120000"], table, to="icd10cm")["map_rule"].to_list() == [rule, "OTHERWISE TRUE"]


def test_words_of_a_name_are_no_operators() -> None:
    read = read_rule("IFA 110000 | Velmora AND (lumenel OR not) (disorder) |")
    assert [condition.term for condition in read.conditions] == ["Velmora AND (lumenel OR not) (disorder)"]


FINDINGS = ["100000", "110000", "111000"]
conditions = st.one_of(
    st.sampled_from([f"IFA {MALE}", f"IFA {FEMALE}", *(f"IFA {code} | X AND ({code}) |" for code in FINDINGS)]),
    st.builds(
        lambda what, sign, number, unit: f"IFA {what} {sign} {number} {unit}",
        st.sampled_from([ONSET, NOW]),
        st.sampled_from(["<", "<=", ">", ">="]),
        st.sampled_from(["0.0", "1.0", "12.0", "18.0", "216.0"]),
        st.sampled_from(["years", "months"]),
    ),
)
RULES = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds("{} AND {}".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("IFA ({} AND {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)
PATIENTS = st.builds(
    Patient,
    sex=st.sampled_from(["F", "M", None]),
    age=st.sampled_from([0, 1, 12, 17, 18, 40, None]),
    onset=st.none(),
    findings=st.sets(st.sampled_from(FINDINGS), max_size=1),
    denied=st.sets(st.sampled_from(FINDINGS), max_size=1),
)


def told(patient: Patient, table: Ontology, *, trace: bool) -> pl.DataFrame:
    """The mapping of one code of a patient."""
    codes = pl.DataFrame(
        {"note_id": ["n"], "code": ["120000"], "sex": [patient.sex], "age_years": [patient.age]},
        schema_overrides={"sex": pl.String, "age_years": pl.Int64},
    )
    said = [(code, False) for code in patient.findings] + [(code, True) for code in patient.denied - patient.findings]
    findings = pl.DataFrame(
        [("n", *one) for one in said],
        schema={"note_id": pl.String, "code": pl.String, "negated": pl.Boolean},
        orient="row",
    )
    return (trace_maps if trace else map_codes)(codes, table, to="icd10cm", findings=findings)


@settings(max_examples=25, deadline=None)
@given(rules=st.lists(RULES, min_size=1, max_size=3), last=st.sampled_from(["OTHERWISE TRUE", None]), patient=PATIENTS)
def test_groups_agree_with_the_slow_reading(rules: list[str], last: str | None, patient: Patient) -> None:
    rules = [*rules, last] if last else rules
    patient.denied -= patient.findings
    answer = answers(patient, ABOVE.__getitem__, "120000")
    table = group(*rules)
    trace = told(patient, table, trace=True)
    for rule, holds in trace.select("map_rule", "holds").iter_rows():
        if "TRUE" not in rule:
            own = truth(rule, answer)
            assert (holds == "no") == (own is False), rule
            assert own is None or completions(rule, answer) == {own}, "what is said holds in every case"
    row, may = chosen(rules, [f"T{at}" for at in range(1, len(rules) + 1)], answer)
    found = told(patient, table, trace=False).row(0, named=True)
    if row is not None:
        assert (found["map_status"], found["to_code"]) == ("mapped", f"T{row + 1}")
    elif may == {None}:
        assert (found["map_status"], found["to_code"]) == ("no rule holds", None)
    else:
        assert found["map_status"] in ("not assessable", "presumed")
        assert set(found["map_candidates"].split("; ")) == may - {None}
        assert found["map_missing"]


# -- three values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sex", "status", "code", "missing"),
    [
        ("M", "mapped", "T1", None),
        ("F", "mapped", "T2", None),
        (None, "not assessable", None, "the patient's sex"),
        ("U", "not assessable", None, "the patient's sex"),
    ],
)
def test_a_sex_that_is_not_known_is_neither(
    sex: str | None, status: str, code: str | None, missing: str | None
) -> None:
    found = mapped(group(f"IFA {MALE}", "OTHERWISE TRUE"), sex=sex)
    assert (found["map_status"], found["to_code"], found["map_missing"]) == (status, code, missing)


def test_rows_that_lead_to_the_same_target_need_no_answer() -> None:
    table = ontology(
        [{"code": "120000", "target_code": "T1", "map_rule": rule} for rule in (f"IFA {MALE}", "OTHERWISE TRUE")]
    )
    assert (mapped(table)["map_status"], mapped(table)["to_code"]) == ("mapped", "T1")


@pytest.mark.parametrize(
    ("known", "status", "code"),
    [
        ({"age_years": 12}, "mapped", "T1"),  # the onset was before, whenever it was
        ({"age_years": 40}, "presumed", "T2"),
        ({"age_years": 40, "onset_age_years": 40}, "mapped", "T2"),
        ({"age_years": 40, "onset_age_years": 3}, "mapped", "T1"),
        ({"birth_date": "2000-03-01", "note_date": "2018-02-28"}, "mapped", "T1"),
        ({"birth_date": "2000-03-01", "note_date": "2018-03-01"}, "presumed", "T2"),
        ({"age_years": None}, "not assessable", None),
    ],
)
def test_an_onset_is_no_later_than_now(known: dict[str, object], status: str, code: str | None) -> None:
    found = mapped(group(f"IFA {ONSET} < 18.0 years", "OTHERWISE TRUE"), **known)
    assert (found["map_status"], found["to_code"]) == (status, code)


def test_years_say_nothing_of_days() -> None:
    table = group(f"IFA {NOW} < 28.0 days", "OTHERWISE TRUE")
    assert mapped(table, age_years=0)["map_status"] == "not assessable"
    assert mapped(table, age_years=1)["to_code"] == "T2"
    assert mapped(table, birth_date="2024-02-01", note_date="2024-02-28")["to_code"] == "T1"
    assert mapped(table, birth_date="2024-02-01", note_date="2024-02-29")["to_code"] == "T2"


def test_birthdays_are_exact() -> None:
    frame = pl.DataFrame({"birth_date": ["2004-02-29", "2024-01-31", "2024-05-02"], "note_date": ["2024-02-28"] * 3})
    found = patients(frame).select("age_year_low", "age_month_low", "age_day_low")
    assert [int(value) for value in found["age_year_low"].drop_nulls()] == [19, 0]
    assert found["age_day_low"].to_list() == [7304, 28, None]


def test_a_finding_is_affirmed_denied_or_not_mentioned() -> None:
    table = group("IFA 110000 | X |", "OTHERWISE TRUE")

    def of(*said: tuple[str, bool]) -> tuple[object, object]:
        found = pl.DataFrame([("n", *one) for one in said], schema=["note_id", "code", "negated"], orient="row")
        codes = pl.DataFrame({"note_id": ["n"], "code": ["120000"]})
        row = map_codes(codes, table, to="icd10cm", findings=found).row(0, named=True)
        return row["map_status"], row["to_code"]

    assert of(("111000", False)) == ("mapped", "T1")  # a kind of it
    assert of(("100000", False)) == ("presumed", "T2")  # more general: it may be, and is not said
    assert of(("100000", True)) == ("mapped", "T2")  # without the general there is no kind of it
    assert of(("111000", True)) == ("presumed", "T2")  # without one kind there may be another
    assert of(("120000", False)) == ("presumed", "T2")


def test_without_a_note_a_finding_is_not_presumed_absent_unless_it_is_a_kind_of_the_code() -> None:
    assert mapped(group("IFA 110000 | X |", "OTHERWISE TRUE"))["map_status"] == "not assessable"
    table = group("IFA 111000 | Kind |", "OTHERWISE TRUE", code="110000")
    found = map_codes(["110000", "111000"], table, to="icd10cm")
    assert found.select("map_status", "to_code").rows() == [("presumed", "T2"), ("no map", None)]


def test_the_code_itself_is_a_finding() -> None:
    assert mapped(group("IFA 100000 | Above |", "OTHERWISE TRUE"))["to_code"] == "T1"


def test_the_codes_of_a_note_are_its_findings() -> None:
    table = group("IFA 110000 | X |", "OTHERWISE TRUE")
    codes = pl.DataFrame({"note_id": ["a", "a", "b", "b"], "code": ["120000", "111000", "120000", "100000"]})
    found = map_codes(codes, table, to="icd10cm").filter(code="120000")
    assert found.select("note_id", "map_status", "to_code").rows() == [("a", "mapped", "T1"), ("b", "presumed", "T2")]


def test_groups_come_to_a_target_each_in_their_order() -> None:
    rows = [
        {"code": "120000", "target_code": "B", "map_rule": "TRUE", "map_group": 2, "map_priority": 1},
        {"code": "120000", "target_code": "A2", "map_rule": "OTHERWISE TRUE", "map_group": 1, "map_priority": 2},
        {"code": "120000", "target_code": "A1", "map_rule": f"IFA {MALE}", "map_group": 1, "map_priority": 1},
        {"code": "120000", "target_code": "", "map_rule": "TRUE", "map_group": 3, "map_priority": 1},
    ]
    found = map_codes(pl.DataFrame({"code": ["120000"], "sex": ["F"]}), ontology(rows), to="icd10cm")
    assert found["to_code"].to_list() == ["A2", "B", None]
    assert found["map_status"].to_list() == ["mapped", "mapped", "no target"]


def test_alternatives_without_rules_are_for_people() -> None:
    rows = [{"code": "120000", "target_code": target, "map_rule": None} for target in ("A", "B")]
    found = map_codes(["120000"], ontology(rows), to="icd10cm").row(0, named=True)
    assert (found["map_status"], found["map_candidates"]) == ("not assessable", "A; B")
    simple = [{**row, "map_group": None, "map_priority": None} for row in rows]
    both = map_codes(["120000"], ontology(simple), to="icd10cm")
    assert both["to_code"].to_list() == ["A", "B"]


# -- real file formats ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def snomed() -> Ontology:
    return load_ontology(RF2)


def test_the_invented_release_maps_with_its_rules(snomed: Ontology) -> None:
    codes = pl.DataFrame({"code": [ACUTE, VELMORA, LUMENEL, "999"], "sex": ["F", None, None, None]})
    found = map_codes(codes, snomed, to="icd10")
    assert found.select("to_code", "map_status").rows() == [
        ("Q91.1", "mapped"),
        ("Q95.?", "mapped"),
        ("Q90.1", "mapped"),
        (None, "no target"),
        (None, "unknown code"),
    ]
    assert found["map_category"][3] == "source concept cannot be classified with available data"
    assert found["map_advice"][0] == "ALWAYS Q91.1"


def test_the_trace_names_every_rule_that_was_tried(snomed: Ontology) -> None:
    found = trace_maps(pl.DataFrame({"code": [ACUTE], "sex": ["F"]}), snomed, to="icd10")
    assert found.select("map_group", "holds", "why", "target_code").rows() == [
        (1, "no", "248153007 | Male |: no", "Q91.0"),
        (1, "yes", None, "Q91.1"),
        (2, "yes", None, "Q95.?"),
    ]
    assert trace_maps([ACUTE], snomed, to="icd10")["holds"].to_list()[:2] == ["not assessable"] * 2


def test_every_map_row_of_the_release_is_in_the_trace(snomed: Ontology) -> None:
    assert snomed.maps is not None
    rows = snomed.maps.filter(target_system="icd10")
    trace = trace_maps(rows["code"].unique().to_list(), snomed, to="icd10")
    assert trace.height == rows.height


def test_a_retired_code_is_mapped_as_what_replaced_it(snomed: Ontology) -> None:
    moved = map_codes([OLD_CHAIN, OLD_MAYBE], snomed, to="icd10").select("now_code", "map_status", "map_candidates")
    assert moved.row(0)[1] == "no map"
    assert moved.row(1) == (None, "retired", f"{VELMORA}; {ACUTE}")


def test_simple_maps_and_map_sets_by_their_id(snomed: Ontology) -> None:
    assert snomed.maps is not None
    code = snomed.maps.filter(map_set="446608001")["code"][0]
    assert map_codes([code], snomed, to="icdo")["to_code"].to_list() == ["C99.9"]
    assert map_codes([code], snomed, to="446608001")["to_code"].to_list() == ["C99.9"]


def test_mrmap_and_cuis() -> None:
    umls = load_ontology(UMLS)
    assert umls.maps is not None
    found = map_codes(
        pl.DataFrame({"system": ["snomedct"], "code": [ACUTE], "sex": ["M"]}), umls, to=umls.maps["map_set"][-1]
    )
    assert found.select("to_code", "map_status").rows() == [("Q91.0", "mapped")]
    sources = umls.maps.filter(pl.col("relation") == "source_code")
    cui, code = sources.filter(target_system="snomedct").select("code", "target_code").row(0)
    there = map_codes(pl.DataFrame({"system": ["umls"], "code": [cui]}), umls, to="snomedct")
    assert code in there["to_code"].to_list()
    back = map_codes(pl.DataFrame({"system": ["snomedct"], "code": [code]}), umls, to="umls")
    assert cui in back["to_code"].to_list()


def test_codes_are_joined_over_a_concept_of_the_umls() -> None:
    rows = [
        {"code": "C1", "target_system": "snomedct", "target_code": "5", "relation": "source_code"},
        {"code": "C1", "target_system": "icd10cm", "target_code": "I10", "relation": "source_code"},
    ]
    table = ontology([{**row, "source_system": "umls", "map_rule": None} for row in rows])
    found = map_codes(pl.DataFrame({"system": ["snomedct"], "code": ["5"]}), table, to="icd10cm").row(0, named=True)
    assert (found["to_code"], found["map_route"]) == ("I10", "over C1")


@pytest.mark.parametrize(
    ("relation", "status"), [("xref", "mapped"), ("exactMatch", "mapped"), ("broadMatch", "other meaning")]
)
def test_cross_references_lead_both_ways(relation: str, status: str) -> None:
    table = ontology([{"code": "120000", "target_code": "I10", "relation": relation, "map_rule": None}])
    there = map_codes(["120000"], table, to="icd10cm").row(0, named=True)
    assert (there["to_code"], there["map_status"]) == ("I10", status)
    back = map_codes(pl.DataFrame({"system": ["icd10cm"], "code": ["I10"]}), table, to="test").row(0, named=True)
    assert (back["to_code"], back["map_status"]) == ("120000", status)


def test_a_map_turned_round_is_of_another_meaning() -> None:
    table = group("TRUE")
    back = map_codes(pl.DataFrame({"system": ["icd10cm"], "code": ["T1"]}), table, to="test").row(0, named=True)
    assert (back["to_code"], back["map_status"]) == ("120000", "other meaning")


def test_rows_come_back_as_they_were_with_what_is_added() -> None:
    codes = pl.DataFrame(
        {"code": ["999", "120000", None], "ward": ["1", "2", "3"]}, schema_overrides={"code": pl.String}
    )
    found = map_codes(codes, group("TRUE"), to="icd10cm")
    assert found.select("code", "ward").rows() == codes.rows()
    assert found.columns == [*codes.columns, *MAPPED]
    assert found["map_status"].to_list() == ["unknown code", "mapped", None]


def test_no_map_leads_there() -> None:
    with pytest.raises(InputError, match="icd10cm"):
        map_codes(["120000"], group("TRUE"), to="icd11")


def test_names_come_from_the_ontology_mapped_to(snomed: Ontology) -> None:
    named = map_codes([OLD_CHAIN], group("TRUE"), to="icd10cm", targets=snomed)
    assert named["to_name"].to_list() == [None]


# -- the commands -----------------------------------------------------------------------------------------------------


def test_the_command_maps_a_table_and_writes_the_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes, notes, said = tmp_path / "codes.csv", tmp_path / "notes.csv", tmp_path / "said.csv"
    codes.write_text(f"note_id,code\na,{ACUTE}\nb,{ACUTE}\nb,999\n")
    notes.write_text("note_id,sex\na,F\n")
    said.write_text(f"note_id,code,negated\na,{VELMORA},true\n")
    out, trace = tmp_path / "out.csv", tmp_path / "trace.csv"
    options = ["--notes", str(notes), "--findings", str(said), "-o", str(out), "--trace", str(trace)]
    assert main(["map", str(codes), "--to", "icd10", "--ontology", str(RF2), *options]) == 0
    told = capsys.readouterr().err
    assert "1 not assessable" in told
    assert "1 codes are unknown, not mapped: 999" in told
    rows = pl.read_csv(out, infer_schema=False)
    assert rows.select("note_id", "to_code", "map_status").rows() == [
        ("a", "Q91.1", "mapped"),
        ("a", "Q95.?", "mapped"),
        ("b", None, "not assessable"),
        ("b", "Q95.?", "mapped"),
        ("b", None, "unknown code"),
    ]
    assert pl.read_csv(trace, infer_schema=False)["holds"].to_list()[:3] == ["no", "yes", "yes"]


def test_findings_are_what_is_certain_of_the_patient(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text(
        "note_id,code,rank,negated,subject,temporality,certainty\n"
        "a,1,1,false,patient,recent,certain\na,2,2,false,patient,recent,certain\na,3,1,false,family,recent,certain\n"
        "a,4,1,false,patient,hypothetical,certain\na,5,1,false,patient,recent,possible\na,6,1,true,patient,,\n"
    )
    assert read_findings(str(path)).select("code", "negated").rows() == [("1", False), ("6", True)]


def test_a_run_maps_its_codes_with_what_its_notes_say_of_the_patient(tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text('note_id,text,sex\nn1,"Acute velmora disease of the coast.",F\nn2,Acute velmora disease.,\n')
    index, out = tmp_path / "index", tmp_path / "out"
    assert main(["build", str(RF2), "-o", str(index), "--encoder", "none"]) == 0
    code = ["code", str(notes), "-o", str(out), "--ontology", str(index), "--encoder", "none"]
    assert main(code) == 0
    assert not (out / "mapped.csv").exists()
    assert main([*code, "--map", "icd10"]) == 0
    rows = pl.read_csv(out / "mapped.csv", infer_schema=False)
    assert rows.select("note_id", "to_code", "map_status").rows() == [
        ("n1", "Q91.1", "mapped"),
        ("n1", "Q95.?", "mapped"),
        ("n2", None, "not assessable"),
        ("n2", "Q95.?", "mapped"),
    ]
    assert main([*code, "--map", "icd11"]) == 2, "before anything is coded"
