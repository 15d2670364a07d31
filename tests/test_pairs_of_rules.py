"""Pairs of notes that differ by one coding rule: given codes, reasons, rivals, drugs resumed, metastases, organisms."""

from __future__ import annotations

import pytest
from whole_release import codes_of, mapper

from conceptmap.coding.acceptance.acceptance import Acceptance
from conceptmap.coding.acceptance.known import FEATURES, KnownOfCodes
from conceptmap.coding.coding import NoteCode
from conceptmap.coding.derived.drug_use import long_term_use
from conceptmap.coding.derived.drugs import drugs_in, specific
from conceptmap.coding.derived.injury_titles import injuries_of, most_exact
from conceptmap.coding.derived.underdosing import underdosing
from conceptmap.coding.exact.siblings import Siblings
from conceptmap.coding.given_codes import as_given
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.neoplasms import with_neoplasms
from conceptmap.coding.stated_codes import with_stated_codes
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences


def book() -> CodeBook:
    return mapper().linkers[0].book


def at(code: str) -> int:
    return book().position_of_code[code]


def read(text: str, found: list[Mention]) -> list[tuple[str, str]]:
    """What mentions say and the code of each."""
    return [(text[m.start_char : m.end_char], book().codes[m.candidates[0].concept]) for m in found]


@pytest.mark.parametrize(
    ("evidence", "principal"),
    [({}, "L40.9"), ({"J18.1": (0,)}, "J18.1"), ({"L40.9": (0,)}, "L40.9"), ({"L40.9": (1,), "J18.1": (0,)}, "J18.1")],
)
def test_the_first_of_given_codes_is_principal_where_the_note_says_none(
    evidence: dict[str, tuple[int, ...]], principal: str
) -> None:
    text = "Lobar pneumonia. Psoriasis."
    around = MentionPlaces(text, [(0, 15), (17, 26)], [], sentences(text))
    own = {code: evidence.get(code, ()) for code in ("L40.9", "J18.1")}
    codes = [NoteCode(at(code), 0.5, by, by[0] if by else -1, "") for code, by in own.items()]
    given = as_given(codes, book(), around, instructions=None, past=frozenset())
    assert [book().codes[code.concept] for code in given if code.role == "principal"] == [principal]


def test_what_moves_a_code_most_is_told_first_and_little_not_at_all() -> None:
    moves = {"unspecified": 1.0, "other": -3.0, "symptom": 2.0, "status": -0.2, "history": 0.25}
    model = Acceptance(tuple(moves.get(name, 0.0) for name in FEATURES), 0.0, 0.25)
    told = model.reasons((1.0,) * len(FEATURES))
    assert [(says, logits) for says, logits in told] == [
        (FEATURES["other"], -3.0),
        (FEATURES["symptom"], 2.0),
        (FEATURES["unspecified"], 1.0),
        (FEATURES["history"], 0.25),
    ]


@pytest.mark.parametrize(
    ("code", "given", "rivals"),
    [
        ("N30.90", ["N30.90"], 0),
        ("N30.90", ["N30.00"], 1),
        ("N30.90", ["N30.90", "N30.00"], 1),
        ("N30.90", ["J18.1"], 0),
        ("N30.90", [], 0),
    ],
)
def test_a_code_is_no_rival_of_itself(code: str, given: list[str], rivals: int) -> None:
    mention = Mention(0, 8, (Candidate(at(code), 1.0, 1.0, "lexical"),))
    known = KnownOfCodes([mention], book(), MentionPlaces("Cystitis.", [(0, 8)], [], [(0, 9)]))
    (found,) = known.of_codes([(at(code), [0], (), "secondary", False)], {at(other) for other in given})
    assert dict(zip(FEATURES, found, strict=True))["rivals"] == rivals


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MEDICATIONS: apixaban stopped then resumed 5 mg BID", ["Z79.01"]),
        ("MEDICATIONS: apixaban stopped 5 mg BID", []),
        ("MEDICATIONS: apixaban completed 6 months, now 5 mg BID", ["Z79.01"]),
        ("MEDICATIONS: apixaban completed, now 5 mg BID", []),
        ("MEDICATIONS: apixaban 5 mg BID for 7 days", []),
        ("MEDICATIONS: apixaban 5 mg BID for 7 days then 2.5 mg", ["Z79.01"]),
    ],
)
def test_a_drug_resumed_or_going_on_is_not_over(text: str, found: list[str]) -> None:
    assert [use.code for use in long_term_use(text, sections(text), drugs_in(text, "icd10cm"))] == found


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("Torsemide.", ["loop diuretic"]),
        ("Torsemide and furosemide.", ["loop diuretic"]),
        ("Torsemide and spironolactone.", []),
        ("Metoprolol.", ["other diuretic"]),
        ("", ["other diuretic"]),
    ],
)
def test_a_group_of_drugs_means_the_one_class_named_beside_it(named: str, meant: list[str]) -> None:
    found = specific(drugs_in(f"{named} Missed his diuretic.", "icd10cm"))
    assert [drug.of.name for drug in found if drug.ingredient == "diuretic"] == meant


LONG = "as his whole family told at length over many days and weeks of that summer and of the autumn that came after it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("He skipped torsemide.", "He skipped torsemide"),
        ("Takes torsemide. He ran out.", "torsemide. He ran out"),
        (f"Takes torsemide, {LONG}. He ran out.", "torsemide"),
    ],
)
def test_words_near_a_drug_belong_to_what_is_said_of_it(text: str, said: str) -> None:
    first = next(underdosing(text, sentences(text), drugs_in(text, "icd10cm")))
    assert text[first.start_char : first.end_char] == said


def test_a_burn_has_either_of_two_sites_and_another_injury_the_area_of_both() -> None:
    burns = [set(one.site) for one in injuries_of(book(), "burn") if one.concept == at("T20.26XA")]
    assert len(burns) == 2
    assert {"forehead"} in [site & {"forehead", "cheek"} for site in burns]
    assert {"cheek"} in [site & {"forehead", "cheek"} for site in burns]
    (contusion,) = [one.site for one in injuries_of(book(), "contusion") if one.concept == at("S00.12XA")]
    assert {"eyelid", "periocular"} <= contusion


@pytest.mark.parametrize(
    ("kind", "said", "side", "code"),
    [
        ("contusion", "knee", "left", "S80.02XA"),
        ("contusion", "knee", "", "S80.00XA"),
        ("burn", "forehead", "", ""),
        ("burn", "forehead second_degree", "", "T20.26XA"),
        ("burn", "forehead third_degree", "", "T20.36XA"),
    ],
)
def test_the_most_exact_injury_says_nothing_that_the_note_does_not(kind: str, said: str, side: str, code: str) -> None:
    found = most_exact(book(), kind, frozenset(said.split()), side)
    assert (book().codes[found.concept] if found else "") == code


def test_a_block_of_one_category_is_not_the_category() -> None:
    kinds = book().concepts["kind"]
    categories = Siblings(book())._categories
    assert {len(code) for code in categories} == {3}
    assert all(len(places) == 1 and kinds[places[0]] != "block" for places in categories.values())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Cellulitis of the left leg and right foot.", {"L03.115", "L03.116"}),
        ("Cellulitis of the left leg and face.", {"L03.211", "L03.116"}),
        ("Cellulitis of the left leg. Face normal.", {"L03.116"}),
        ("DVT of the left femoral and popliteal veins.", {"I82.432", "I82.412"}),
        ("DVT of the left femoral vein.", {"I82.412"}),
        ("Cellulitis of the left leg and left leg.", {"L03.116"}),
        ("Pressure ulcer of the left heel and sacrum.", {"L89.159", "L89.629"}),
        ("Pressure ulcer of the left heel and cushion.", {"L89.629"}),
        ("Septic arthritis of the left knee and right hip.", {"M00.851", "M00.862"}),
    ],
)
def test_each_site_of_a_list_has_the_finding_at_it(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Liver, bone and adrenal metastases.", [("Liver", "C78.7"), ("bone", "C79.51"), ("adrenal", "C79.70")]),
        ("LIVER AND BONE METASTASES.", [("LIVER", "C78.7"), ("BONE", "C79.51")]),
        ("Liver cyst and bone metastases.", [("bone", "C79.51")]),
        (
            "Metastases to the liver, brain and adrenals.",
            [("liver", "C78.7"), ("brain", "C79.31"), ("adrenals", "C79.70")],
        ),
        ("Metastases. Liver.", []),
        ("Bone mets.", [("Bone", "C79.51")]),
        ("Bone.", []),
    ],
)
def test_metastases_to_each_organ_of_a_list_beside_them(text: str, found: list[tuple[str, str]]) -> None:
    assert read(text, with_neoplasms(text, (), book())) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ADENOCARCINOMA OF THE LUNG.", "C34.90"),
        ("Adenocarcinoma of the lung.", "C34.90"),
        ("ADENOCARCINOMA ARISING IN THE COLON.", "C18.9"),
        ("ADENOCARCINOMA NEAR THE LUNG.", "C80.1"),
        ("Adenocarcinoma, lung.", "C34.90"),
        ("Adenocarcinoma. Lung.", "C80.1"),
    ],
)
def test_a_neoplasm_is_of_the_organ_behind_it_in_any_case_of_letters(text: str, code: str) -> None:
    known = Mention(0, len("Adenocarcinoma"), (Candidate(at("C80.1"), 1.0, 1.0, "lexical"),))
    assert read(text, with_neoplasms(text, [known], book())) == [(text[: len("Adenocarcinoma")], code)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Pneumonia. Klebsiella grew in sputum.", {"J15.0"}),
        ("Pneumonia. Klebsiella grew in urine.", {"B96.1", "J18.9"}),
        ("Pneumonia. Urine culture negative, sputum culture grew Klebsiella.", {"J15.0"}),
        ("Pneumonia. Sputum culture negative, urine culture grew Klebsiella.", {"B96.1", "J18.9"}),
        ("Pneumonia. Klebsiella in sputum culture, urine culture clean.", {"J15.0"}),
        ("Pneumonia. Klebsiella in urine culture, sputum culture clean.", {"B96.1", "J18.9"}),
    ],
)
def test_an_organism_grew_in_the_last_source_before_it_else_the_first_behind(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("Gout, M10.9.", ["M10.9"]),
        ("Gout, M10.9x.", []),
        ("Dx: I10", ["I10"]),
        ("Seen on I10", []),
        ("I10, M10.9", ["I10", "M10.9"]),
        ("I10\nM10.9", ["M10.9"]),
    ],
)
def test_a_code_that_a_note_states_is_its_own_evidence(text: str, stated: list[str]) -> None:
    found = with_stated_codes(text, (), book())
    assert [code for _, code in read(text, found)] == stated
    assert {m.candidates[0].evidence for m in found} <= {"stated"}
    assert with_stated_codes(text, [Mention(0, len(text), ())], book()) == [Mention(0, len(text), ())]
