"""Every row of the tables that choose a code by its cause, its end or another sentence has an example.

The examples are told apart from the tables: a row that is dropped or altered fails its example, one that is added asks
for one.
"""

from __future__ import annotations

import re

import pytest
from whole_release import code_rows, mapper

from conceptmap.coding.exact.cause import caused
from conceptmap.coding.exact.elsewhere import complete_from_elsewhere
from conceptmap.coding.exact.ended import ended
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, add
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.sentences import sentences


def book() -> CodeBook:
    return mapper().linkers[0].book


def at(code: str) -> int:
    return book().position_of_code[code]


# -- causes -----------------------------------------------------------------------------------------------------------

CAUSES = """
D62      D64.9   <Anemia> due to acute blood loss
D62      D50.0   <Iron deficiency anemia> due to acute bleed
D50.0    D64.9   <Anemia> from menorrhagia
D64.81   D64.9   <Anemia> due to chemotherapy
D63.0    D64.9   <Anemia> of malignancy
D63.1    D64.9   renal <anemia>
D63.8    D64.9   <Anemia> of chronic disease
D69.59   D69.6   <Thrombocytopenia> in the setting of sepsis
D70.1    D70.9   chemotherapy-induced <neutropenia>
D61.810  D61.818 <Pancytopenia> after chemo
K59.03   K59.00  <Constipation> on opioids
G93.41   G93.40  metabolic <encephalopathy>
G92.8    G93.40  <Encephalopathy> from cefepime
I67.4    G93.40  hypertensive <encephalopathy>
K76.82   G93.40  <Encephalopathy>, likely hepatic
I95.2    I95.9   <Hypotension> after propofol
I95.3    I95.9   <Hypotension> with dialysis
R50.84   R50.9   <Fever> after transfusion
R50.2    R50.9   drug <fever>
R50.82   R50.9   postoperative <fever>
R33.0    R33.9   <Urinary retention> after spinal
N17.0    N17.9   <AKI> 2/2 ATN
E16.0    E16.2   <Hypoglycemia> from glipizide
G62.0    G62.9   vincristine <neuropathy>
G62.1    G62.9   alcoholic <neuropathy>
K85.10   K85.90  gallstone <pancreatitis>
K85.20   K85.90  alcoholic <pancreatitis>
K85.30   K85.90  <Pancreatitis> due to azathioprine
K85.80   K85.90  <Pancreatitis> secondary to triglycerides
E89.0    E03.9   <Hypothyroidism> after thyroidectomy
E03.2    E03.9   amiodarone-induced <hypothyroidism>
K52.0    K52.9   radiation <enteritis>
M81.8    M81.0   steroid-induced <osteoporosis>
I42.6    I42.9   alcoholic <cardiomyopathy>
I42.7    I42.9   <Cardiomyopathy> from doxorubicin
I25.5    I42.9   ischemic <cardiomyopathy>
G21.11   G20.C   <Parkinsonism> from haloperidol
K70.30   K74.60  alcoholic <cirrhosis>
K74.69   K74.60  NASH <cirrhosis>
K70.40   K72.90  <Liver failure> due to alcohol
I26.90   I26.99  septic <pulmonary emboli>
J69.0    J18.9   aspiration <pneumonia>
J95.851  J18.9   ventilator-associated <pneumonia>
N25.81   E21.3   secondary <hyperparathyroidism>
I48.0    I48.91  paroxysmal <atrial fibrillation>
I48.21   I48.91  permanent <AF>
I48.19   I48.91  persistent <AF>
K56.50   K56.609 <Bowel obstruction> due to adhesions
K56.51   K56.600 <Partial bowel obstruction> from adhesions
K56.52   K56.601 <Complete bowel obstruction>, adhesive
F05      R41.0   <Delirium> due to UTI
I63.411  I63.511 <Right MCA stroke>, cardioembolic
I63.412  I63.512 embolic <left MCA stroke>
I63.421  I63.521 embolic <right ACA stroke>
I63.422  I63.522 embolic <left ACA stroke>
I63.431  I63.531 embolic <right PCA stroke>
I63.432  I63.532 embolic <left PCA stroke>
I63.40   I63.9   embolic <stroke>
"""


def marked(text: str) -> tuple[str, tuple[int, int]]:
    """A text without its marks, and what stood between < and >."""
    start, end = text.index("<"), text.index(">") - 1
    return text.replace("<", "").replace(">", ""), (start, end)


def test_each_cause_has_its_code() -> None:
    shown = set()
    for line in CAUSES.strip().splitlines():
        gives, code, said = line.split(maxsplit=2)
        found = caused(at(code), *marked(said), book())
        assert found is not None, line
        assert book().codes[found[0]] == gives, line
        assert found[1].split(": ")[0] in said.lower()
        shown.add((gives, found[1].split(": ", 1)[1]))
        assert caused(at(code), *marked("Gout. <Disease or delirium>."), book()) is None, line
    assert shown == {(row["gives"], row["reason"]) for row in read_rows("causes", "icd10cm")}


def test_every_word_for_a_cause_gives_the_code_of_the_first_row_that_has_it() -> None:
    rows = read_rows("causes", "icd10cm")
    for code in {code for row in rows for code in row["codes"].split()}:
        of_code = [row for row in rows if code in row["codes"].split()]
        for word in {word for row in of_code for word in row["cause"].split("|")}:
            own = re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(part) for part in word.split())})", re.IGNORECASE)
            possible = {row["gives"] for row in of_code if own.search(row["cause"])}
            name = next(row["named"] for row in of_code) or "trouble"
            for said in (f"<{name}> due to {word}.", f"{word} <{name}>", f"{word}-related <{name}>"):
                found = caused(at(code), *marked(said), book())
                assert found is not None, (code, said)
                assert book().codes[found[0]] in possible, (code, said)


def test_a_row_that_asks_for_a_name_leaves_others_of_its_code() -> None:
    """Confusion is R41.0 whatever it comes from (index: confusion); a delirium with its cause is F05."""
    assert caused(at("R41.0"), *marked("<Delirium> due to UTI"), book()) is not None
    assert caused(at("R41.0"), *marked("<Confusion> due to UTI"), book()) is None


@pytest.mark.parametrize(
    ("said", "gives"),
    [
        ("<Anemia> due to chemo", "D64.81"),
        ("<Anemia> not due to chemo", ""),
        ("<Anemia>. Chemo", ""),
        ("<Anemia>, no bleeding, on chemo", ""),
        ("<Hyperparathyroidism> due to 2° causes", ""),
        ("<Anemia> unlikely from chemo", ""),
        ("<Anemia> rather than chemo", ""),
        ("<Anemia>; chemo", ""),
        ("<Anemia>\nchemo", ""),
        ("<Anemia> chemo", ""),
        ("<Anemia> (chemo)", "D64.81"),
        ("<Anemia> felt to be due to recent heavy chemo", "D64.81"),
        ("<Anemia> due to his last three or four cycles of chemo", ""),
        ("<Anemia> due to last three cycles of chemo", "D64.81"),
        ("chemo-induced <anemia>", "D64.81"),
        ("Chemo, severe <anemia>", "D64.81"),
        ("Chemo. <Anemia>", ""),
        ("chemo and some severe <anemia>", ""),
        ("no chemo <anemia>", "D64.81"),
        ("myelochemo <anemia>", ""),
        ("<Anemia> due to chemotactic drugs", ""),
        ("<Anemia> as known since last summer from chemo", "D64.81"),
        ("<Anemia> as known here since last summer, from chemo", ""),
    ],
)
def test_a_cause_counts_where_the_sentence_joins_it(said: str, gives: str) -> None:
    found = caused(at("D64.9"), *marked(said), book())
    assert (book().codes[found[0]] if found else "") == gives
    assert caused(at("J18.1"), *marked(said), book()) is None


# -- what is over -----------------------------------------------------------------------------------------------------

ENDED = """
C61     Z85.46   <Prostate cancer>, prostatectomy 2014
D03.9   Z86.006  <Melanoma in situ> excised 2014
Z22.7   Z86.15   <Latent TB> treated with INH 2001
R76.11  Z86.15   <PPD positive>, isoniazid 2001
B18.2   Z86.19   <Hepatitis C>, SVR 2015
A53.9   -        <Syphilis> treated 2001
A60.9   -        <Herpes> treated 2001
B34.9   -        <Viral infection>, resolved years ago
K40.90  -        <Inguinal hernia>, repaired 2001
I35.0   -        <Aortic stenosis>, TAVR 2019
E04.9   -        <Goiter>, thyroidectomy 2001
D25.9   -        <Fibroids>, hysterectomy 2001
K80.20  -        <Gallstones>, cholecystectomy 2001
K37     -        <Appendicitis>, appendectomy as a child
H26.9   -        <Cataract> extraction 2019
I71.40  -        <AAA>, EVAR 2019
I67.1   -        <Cerebral aneurysm> clipped 2001
M17.9   -        <Knee osteoarthritis>, TKA 2015
K63.5   Z86.0100 <Colon polyps> removed 2018
J35.01  -        <Tonsillitis>, tonsillectomy as a child
I65.29  -        <Carotid stenosis>, CEA 2012
G56.00  -        <Carpal tunnel>, release 2009
I83.90  -        <Varicose veins>, stripping 1998
K27.9   Z87.11   <Peptic ulcer>, healed years ago
J45.909 -        <Asthma>, childhood only
G40.909 -        <Seizures>, outgrew them in childhood
R56.9   -        <Convulsions> as a child
I77.0   -        <AV fistula>, clotted 2018
F50.9   Z86.59   history of <eating disorder> in 2001
"""


def test_each_end_leaves_its_history_or_nothing() -> None:
    shown = set()
    for line in ENDED.strip().splitlines():
        code, gives, said = line.split(maxsplit=2)
        found = ended(at(code), *marked(said), None, book())
        assert found is not None, line
        assert ("-" if found[0] is None else book().codes[found[0]]) == gives, line
        shown.add(found[1])
        going_on = ended(at(code), *marked(said.replace(" 2", " currently 2", 1) + " active"), None, book())
        assert going_on is None, line
        assert ended(at(code), *marked(f"<{marked(said)[0][:6]}>"), None, book()) is None
        assert ended(at("L40.9"), *marked(said), None, book()) is None
    assert shown == {row["reason"] for row in read_rows("ended", "icd10cm")}


def test_every_word_for_an_end_ends_every_condition_of_its_row() -> None:
    for row in read_rows("ended", "icd10cm"):
        codes = [code for code, _ in book().position_of_code.items() if within(code, parse_ranges(row["codes"]))]
        for word in row["words"].split("|"):
            for code in (codes[0], codes[-1]):
                found = ended(at(code), *marked(f"<It>, {word} 2014"), None, book())
                assert found is not None, (code, word)


@pytest.mark.parametrize(
    ("said", "section", "over"),
    [
        ("<Hernia> repair 2014", "hospital course", True),
        ("<Hernia> repair", "hospital course", False),
        ("s/p <hernia> repair", "hospital course", False),
        ("s/p <hernia> repair", "history of present illness", True),
        ("<Hernia> repair", "history of present illness", False),
        ("<Hernia> repair", "past medical history", True),
        ("<Hernia> repair", "past surgical history", True),
        ("<Hernia> repair", "resolved problems", True),
        ("<Hernia> repair", None, False),
        ("<Hernia>. Repair 2014", None, False),
        ("Repair 2014. <Hernia>", None, False),
        ("Repair 2014, <hernia>", None, True),
        ("<Hernia>, unrepaired 2014", None, False),
        ("<Hernia>, repair planned 2014", None, False),
        ("<Hernia>, here for repair 2014", None, False),
        ("<Hernia>, not repaired 2014; repair 2015", None, True),
        ("<Hernia>\nrepair 2014", None, False),
        ("<Hernia> repair [**2014**]", None, True),
        ("<Hernia> repair two years ago", None, True),
        ("<Hernia> repair last year", None, True),
        ("<Hernia> 2.5 cm, repair 2014", None, True),
        ("<Hernia> of the groin that has troubled him for very many of the months and weeks, repair 2014", None, False),
        ("Repaired by a surgeon of great fame in the city 2014 this was <hernia>", None, False),
        ("Repaired by a surgeon in the city in 2014, this <hernia>", None, True),
    ],
)
def test_an_end_stands_in_the_clause_and_in_the_past(said: str, section: str | None, over: bool) -> None:
    assert (ended(at("K40.90"), *marked(said), section, book()) is not None) is over


# -- other sentences --------------------------------------------------------------------------------------------------

ELSEWHERE = """
I21.11 I21.3  <STEMI>. The RCA was 100 % occluded.
I21.01 I21.3  <STEMI>. Left main thrombus.
I21.02 I21.9  <MI>. Stent to the LAD.
I21.21 I21.3  <STEMI>. Culprit in the circumflex.
I21.09 I21.3  <STEMI>. An anterolateral infarct was read.
I21.19 I21.3  <STEMI>. An inferior STEMI.
N20.1  N20.0  <Kidney stone>. CT: stone at the left UVJ.
D18.03 D18.00 <Hemangioma>. A hemangioma of the liver.
D35.00 D36.9  <Adenoma>. An adrenal lesion is an adenoma.
I71.43 I71.40 <AAA>. It is an infrarenal aneurysm.
I71.42 I71.9  <Aneurysm>. It is a juxtarenal AAA.
I50.20 I50.9  <CHF>, EF reduced.
I50.20 I50.9  <CHF>, LVEF 25 %.
I50.30 I50.9  <CHF>, EF preserved.
K40.30 K40.90 <Inguinal hernia>, incarcerated.
K41.30 K41.90 <Femoral hernia>, irreducible.
K42.0  K42.9  <Umbilical hernia>, strangulated.
K43.0  K43.2  <Incisional hernia>, obstructing.
K43.6  K43.9  <Ventral hernia>, transition point in it.
I63.411 I63.511 <Right MCA stroke>. Etiology cardioembolic.
I63.412 I63.512 <Left MCA stroke>. Etiology cardioembolic.
I63.419 I63.519 <MCA stroke>. Mechanism: embolic.
I63.421 I63.521 <Right ACA stroke>. Etiology cardioembolic.
I63.422 I63.522 <Left ACA stroke>. Etiology cardioembolic.
I63.429 I63.529 <ACA stroke>. Mechanism: embolic.
I63.431 I63.531 <Right PCA stroke>. Etiology cardioembolic.
I63.432 I63.532 <Left PCA stroke>. Etiology cardioembolic.
I63.439 I63.539 <PCA stroke>. Mechanism: embolic.
N73.6  K66.0  <Adhesions>. An adherent uterus.
I21.29 I21.3  <STEMI>. A lateral infarct was read.
K25.0  K25.3  <Gastric ulcer>. The ulcer was oozing.
K26.0  K26.3  <Duodenal ulcer>. The ulcer was oozing.
K25.4  K25.9  <Gastric ulcer>. The ulcer had an adherent clot.
K26.4  K26.9  <Duodenal ulcer>. The ulcer had an adherent clot.
K27.4  K27.9  <Peptic ulcer>. The ulcer was bleeding.
I26.02 I26.09 <PE>. A saddle embolus was seen.
M17.10 M19.90 <OA>. The OA of the knee.
M16.10 M19.90 <OA>. The OA of the hip.
"""


def exact(said: str, code: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The codes of one mention with their remarks, and those taken with the reason."""
    text, span = marked(said)
    proposals: ProposedCodes = {}
    taken: ProposedCodes = {}
    add(proposals, at(code), [0], 0.9, affirmed=True)
    complete_from_elsewhere(proposals, book(), MentionPlaces(text, [span], [], sentences(text)), taken)
    codes = book().codes
    return (
        {codes[c]: proposal.remarks for c, proposal in proposals.items()},
        {codes[c]: proposal.reason for c, proposal in taken.items()},
    )


def test_each_pair_of_words_elsewhere_chooses_its_code() -> None:
    shown = set()
    for line in ELSEWHERE.strip().splitlines():
        gives, code, said = line.split(maxsplit=2)
        proposed, taken = exact(said, code)
        assert list(proposed) == [gives], line
        ((remark,),) = proposed.values()
        assert remark.endswith(f": completes {code}")
        shown.add((gives, remark.rsplit(": ", 1)[0]))
        assert taken == {code: f"said more exactly by {gives}"}
        assert list(exact(re.sub("[.,] (The|An?|It is an?|CT:)?", ". No", said, count=1), code)[0]) == [code], line
    assert shown == {(row["gives"], row["reason"]) for row in read_rows("elsewhere", "icd10cm")}


@pytest.mark.parametrize(
    ("said", "code", "gives"),
    [
        ("<STEMI>. LAD stent. Inferior infarct.", "I21.3", "I21.19"),
        ("<STEMI>. LAD stent.", "I21.3", "I21.02"),
        ("<Kidney stone>. Stone in the right ureter.", "N20.0", "N20.1"),
        ("<Kidney stone>. No new stone in the right ureter.", "N20.0", "N20.0"),
        ("<Kidney stone>. No hydronephrosis; stone in the right ureter.", "N20.0", "N20.1"),
        ("<Adenoma>. Right adrenal adenoma.", "D36.9", "D35.01"),
        ("<Adenoma>. Left adrenal adenoma.", "D36.9", "D35.02"),
        ("<Adenoma>. Left and right adrenal adenomas.", "D36.9", "D35.00"),
        ("<Adenoma>. Left arm, a wound of weeks and days. Adrenal adenoma.", "D36.9", "D35.00"),
        ("Acute <CHF>, LVEF 25 %.", "I50.9", "I50.21"),
        ("Chronic <CHF>, LVEF 25 %.", "I50.9", "I50.22"),
        ("Acute on chronic <CHF>, LVEF 25 %.", "I50.9", "I50.23"),
        ("<CHF>.\nLVEF 25 %.", "I50.9", "I50.9"),
        ("<CHF>. LVEF 25 %.", "I50.9", "I50.20"),
        ("LVEF 25 %. <CHF>.", "I50.9", "I50.20"),
        ("LVEF 25 %.\n<CHF>.", "I50.9", "I50.9"),
        ("<CHF>. LVEF 45 %.", "I50.9", "I50.9"),
        ("<CHF>, EF reduced. EF is not reduced.", "I50.9", "I50.9"),
    ],
)
def test_the_side_and_the_course_that_are_said_there_are_kept(said: str, code: str, gives: str) -> None:
    assert list(exact(said, code)[0]) == [gives]


def test_a_note_with_no_words_completes_nothing() -> None:
    assert code_rows("STEMI.", setting="report").keys() == {"I21.3"}
