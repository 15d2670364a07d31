"""The reviewed vocabulary: every entry names a code of the release and can be told from what a stop term forbids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest

from conceptmap.coding.combinations import combinations
from conceptmap.coding.derived.drugs import drugs_in
from conceptmap.data.tables import read_rows, read_table, reviewed_rows
from conceptmap.errors import InputError
from conceptmap.matching import patterns
from conceptmap.matching.content import content_words
from conceptmap.matching.vocabulary import abbreviations, clinical_synonyms, everyday_words, loose_names, stop_terms
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology
from conceptmap.text.abbreviations import Abbreviation, ShortForms
from conceptmap.text.words import words

ROWS = reviewed_rows("synonyms_icd10cm", patterns.SYNONYMS) + reviewed_rows("translated_icd10cm", patterns.SYNONYMS)
FACTS = reviewed_rows("facts_icd10cm", patterns.FACTS)
TEMPLATES = [
    row
    for table in ("templates_icd10cm", "translated_templates_icd10cm")
    for row in reviewed_rows(table, patterns.TEMPLATES)
]
SYNONYMS = [
    (term, code, kind, reason) for pattern, code, kind, reason, *_ in ROWS for term in patterns.spelled(pattern)
]
CHECKED = {"curated", "tabular list"}
KINDS = {"adjective", "ambiguous", "clinical", "default", "eponym", "histology", "lay", "translation"}


@cache
def release() -> Ontology:
    return load_ontology("icd10cm")


@cache
def billable() -> dict[str, bool]:
    """Whether a code may be reported as it is, chapters and blocks left out."""
    rows = release().concepts.select("node", "code", "billable").iter_rows()
    return {code: bool(may) for node, code, may in rows if node == code}


def some(found: Sequence[object]) -> Sequence[object]:
    """Enough of them to see what is wrong."""
    return found[:20]


def test_the_codes_that_rules_give_are_in_the_release() -> None:
    codes = set(release().concepts["code"])
    combined = {rule.gives.replace("=", "E11").replace("~", ".65") for rule in combinations("icd10cm")}
    histories = {row["gives"] for row in read_rows("histories", "icd10cm")}
    assert sorted((combined | histories) - codes) == []


def test_every_code_is_in_the_release() -> None:
    unknown = [(term, code) for term, code, _, _ in SYNONYMS if code not in billable()]
    assert not some(unknown)


def test_a_header_only_stands_where_characters_are_still_to_come() -> None:
    """A code that is not billable needs a 7th character, or its reason says that it is a header."""
    expanded = release().concepts.filter(release().concepts["expanded"])["code"].to_list()
    bases = {code[:n] for code in expanded for n in range(3, len(code))}
    headers = [
        (term, code)
        for term, code, _, reason in SYNONYMS
        if not billable()[code] and code not in bases and "header" not in reason
    ]
    assert not some(headers)


def test_no_entry_is_there_twice() -> None:
    twice = [row for row, count in Counter((term, code) for term, code, _, _ in SYNONYMS).items() if count > 1]
    assert not some(twice)


def test_a_term_of_several_codes_says_so() -> None:
    codes = Counter(term for term, _, _, _ in SYNONYMS)
    unmarked = [
        (term, code) for term, code, _, reason in SYNONYMS if codes[term] > 1 and not reason.startswith("ambiguous")
    ]
    assert not some(unmarked)


def test_cells_are_filled_and_tidy() -> None:
    untidy = [row for row in SYNONYMS if any(not cell or cell != " ".join(cell.split()) for cell in row)]
    assert not some(untidy)
    assert {kind for _, _, kind, _ in SYNONYMS} <= KINDS
    assert not some([row for row in SYNONYMS if any(word != word.lower() for word in row[0].split() if word != "A")])


def test_rows_are_sorted_by_code_and_pattern() -> None:
    for table in ("synonyms_icd10cm", "translated_icd10cm"):
        order = [(row["code"], row["term"]) for row in read_table(table)]
        assert order == sorted(order)


def test_every_row_says_where_it_is_from_and_who_checked_it() -> None:
    assert {row[-1] for row in (*ROWS, *FACTS)} <= CHECKED
    assert all(len(row) == len(patterns.SYNONYMS) for row in ROWS)
    translated = {row[4] for row in reviewed_rows("translated_icd10cm", patterns.SYNONYMS)}
    assert translated == {"translated notes"}
    assert "translated notes" not in {row[4] for row in reviewed_rows("synonyms_icd10cm", patterns.SYNONYMS)}


def test_a_person_can_read_the_rows() -> None:
    assert len(ROWS) + len(FACTS) + len(TEMPLATES) < 25_000


def test_the_alternatives_of_a_row_are_several_and_differ() -> None:
    held = [pattern for pattern, *_ in (*ROWS, *((row[1],) for row in FACTS)) if "|" in pattern or "(" in pattern]
    assert not some([pattern for pattern in held if len(set(patterns.spelled(pattern))) < 2])
    assert not some([one for pattern in held for one in patterns.spelled(pattern) if set(one) & set("()|")])


def test_every_fact_goes_with_every_template_of_its_set() -> None:
    synonyms = clinical_synonyms("icd10cm")
    assert synonyms is not None
    given = set(synonyms.select("code", "term").iter_rows())
    own = {term for term, *_ in SYNONYMS}
    for name, fact, code, *_ in FACTS:
        for template in (one for kind, pattern, _ in TEMPLATES if kind == name for one in patterns.spelled(pattern)):
            for said in patterns.spelled(fact):
                wording = template.replace("{}", said)
                assert wording in own or (code, wording) in given
    assert {name for name, *_ in FACTS} == {name for name, *_ in TEMPLATES}


def test_a_wording_has_one_code() -> None:
    """Of a product and a row of its own the row counts, and no two facts say the same."""
    synonyms = clinical_synonyms("icd10cm")
    assert synonyms is not None
    assert not some([term for term, n in Counter(synonyms["term"]).items() if n > 1])


def test_every_fact_is_a_code_of_the_release() -> None:
    assert not some([(fact, code) for _, fact, code, *_ in FACTS if code not in billable()])


def test_whole_products_are_found() -> None:
    synonyms = clinical_synonyms("icd10cm")
    assert synonyms is not None
    codes = dict(synonyms.select("term", "code").iter_rows())
    assert codes["father had stroke"] == codes["grandfather died of stroke"] == "Z82.3"
    assert codes["inflamed gallbladder"] == codes["gallbladder inflammation"]


def test_nothing_is_listed_for_drugs_that_the_tables_of_drugs_know() -> None:
    """Their use is read from the whole note: ``coding/derived/drug_use.py``."""
    synonyms = clinical_synonyms("icd10cm")
    assert synonyms is not None
    used = synonyms.filter(synonyms["code"].str.starts_with("Z79"))
    assert not some(
        [term for term in used["term"] if term.startswith(("takes ", "taking ")) and drugs_in(term, "icd10cm")]
    )


def test_no_stop_term_is_a_synonym() -> None:
    """Compared as the matcher compares them: a stop term would silence the entry."""
    stopped = {tuple(sorted(content_words(term).form)) for term in stop_terms("icd10cm")}
    silenced = [row for row in SYNONYMS if tuple(sorted(content_words(row[0]).form)) in stopped]
    assert not some(silenced)


@pytest.mark.parametrize(
    ("term", "code"),
    [
        ("gonarthrosis", "M17.9"),
        ("hydroureteronephrosis", "N13.30"),
        ("renoureteral colic", "N23"),
        ("lumbosciatica", "M54.40"),
        ("loss of visual acuity", "H54.7"),
        ("hives", "L50.9"),
        ("lou gehrig's disease", "G12.21"),
        ("alcoholism", "F10.20"),
        ("toxoplasma", "B58.9"),
        ("kidney mass", "N28.89"),
        ("testis nodule", "N50.89"),
        ("coronary artery bypass graft", "Z95.1"),
        ("chronic kidney disease 3b", "N18.32"),
        ("metastatic colon cancer", "C18.9"),
        ("meniscal tear", "S83.209"),
    ],
)
def test_everyday_names_have_their_code(term: str, code: str) -> None:
    synonyms = clinical_synonyms("icd10cm")
    assert synonyms is not None
    assert synonyms.filter(synonyms["term"] == term).rows() == [(code, term, "clinical")]


@pytest.mark.parametrize("word", ["mass", "lunar", "septic", "net", "asap", "eosinophilic", "nervous", "thinning"])
def test_words_with_another_everyday_sense_are_no_synonyms(word: str) -> None:
    assert word not in {term for term, _, _, _ in SYNONYMS}


@pytest.mark.parametrize("word", ["sir", "gist", "MDs", "ppm", "PPM", "HUS"])
def test_no_synonym_is_found_in_a_word_of_another_sense(word: str) -> None:
    """The plural ending falls away, so that "sirs" would be found in "sir"."""
    assert not [term for term, _, _, _ in SYNONYMS if content_words(term).form == content_words(word).form]


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("Preterm; HUS on DOL 7", "head ultrasound"),
        ("HUS after E. coli diarrhea", "hemolytic-uremic syndrome"),
        ("HUS", None),
        ("PPM for SSS", "permanent pacemaker"),
        ("5 PPM", None),
        ("AF on apixaban", "atrial fibrillation"),
        ("CKD3", "chronic kidney disease stage 3"),
        ("Laceration, L hand", "left"),
        ("Given 2 L NS", None),
        ("Iron def anemia", "deficiency"),
        ("Colon ca to liver", "cancer"),
        ("Colon cancer. Ca 9.2", None),
        ("Colon cancer. Ca 3. Diabetes", "cancer"),
        ("Flu, Shingrix and Tdap given", "influenza vaccination"),
        ("Flu and cough", None),
        ("LP on the wrists, reticular plaques", "lichen planus"),
        ("LP showed no cells; oral antibiotics", None),
    ],
)
def test_short_forms_are_read_by_their_company(text: str, long: str | None) -> None:
    reviewed = ShortForms.of(Abbreviation(*entry) for entry in abbreviations())
    found = words(text)
    at = next(
        i for i, form in enumerate(found.form) if form in {"hus", "ppm", "flu", "af", "ckd3", "ca", "l", "lp", "def"}
    )
    assert reviewed.long_forms(text, found).get(at) == long


def test_long_forms_say_more_than_short_ones() -> None:
    same = [(short, long) for short, long, *_ in abbreviations() if words(short).form == words(long).form]
    assert not same
    assert len({(short, long) for short, long, *_ in abbreviations()}) == len(abbreviations())


def test_context_words_are_lower_case_words() -> None:
    contexts = [row["context"] for row in read_table("abbreviations")]
    assert not [context for context in contexts if context != context.lower()]
    assert not [near for _, _, near, _ in abbreviations() if not all(near)]


@pytest.mark.parametrize("table", ["stop_terms", "stop_terms_icd10cm"])
def test_stop_terms_are_lower_case_and_there_once(table: str) -> None:
    rows = [row["term"] for row in read_table(table)]
    assert not [term for term in rows if term != term.lower()]
    assert len(set(rows)) == len(rows)


def test_each_system_has_stop_terms_of_its_own_or_the_shared_ones() -> None:
    assert stop_terms("icd10") == stop_terms("icd10cm")
    assert stop_terms("snomedct") == stop_terms("hp") == stop_terms("somebody-s")
    assert {row["heard"] for row in read_table("stop_terms")} == {"never", "by type", "by name"}
    assert not stop_terms("hp") & everyday_words("hp")
    assert not everyday_words("icd10cm") | loose_names("icd10cm")
    assert not stop_terms("hp") & loose_names("hp")


def test_a_short_form_of_several_meanings_is_no_synonym() -> None:
    """The list of short forms says when it is read so; as a synonym it would stand for its code everywhere."""
    several = {short.lower() for short, _, near, unless in abbreviations() if near or unless}
    assert {term for term, *_ in SYNONYMS} & several <= {"flu"}


@pytest.mark.parametrize(
    ("facts", "templates", "said"),
    [
        ([("mass", "lung", "R91.8", "x", "curated")], [("cyst", "{} cyst", "x")], "set without templates"),
        ([("mass", "lung", "R91.8", "x", "curated")], [("mass", "a mass", "x")], "needs one {}"),
    ],
)
def test_a_damaged_table_of_facts_is_named(
    monkeypatch: pytest.MonkeyPatch, facts: list[tuple[str, ...]], templates: list[tuple[str, ...]], said: str
) -> None:
    tables = {"facts_icd10cm": facts, "templates_icd10cm": templates}
    monkeypatch.setattr(patterns, "reviewed_rows", lambda name, _: tables.get(name, []))
    with pytest.raises(InputError, match=said):
        list(patterns.products("icd10cm", set()))


def test_a_row_of_its_own_goes_before_a_product(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {
        "facts_icd10cm": [("mass", "(lung|lobe)", "R91.8", "x", "curated")],
        "templates_icd10cm": [("mass", "{} (mass|lump)", "x")],
    }
    monkeypatch.setattr(patterns, "reviewed_rows", lambda name, _: tables.get(name, []))
    made = [term for _, term in patterns.products("icd10cm", {"lung lump"})]
    assert made == ["lung mass", "lobe mass", "lobe lump"]
