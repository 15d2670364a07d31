"""A tiny classification under ICD-10-CM's prefix, with notes, so that the package's coding rules apply to it."""

from __future__ import annotations

from functools import cache

import polars as pl

from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.ontology.ontology import Ontology

CODES = """
E11|Type 2 diabetes mellitus
E11.2|Type 2 diabetes mellitus with kidney complications
E11.22|Type 2 diabetes mellitus with diabetic chronic kidney disease
E11.9|Type 2 diabetes mellitus without complications
I10|Essential (primary) hypertension
I11|Hypertensive heart disease
I11.0|Hypertensive heart disease with heart failure
I13|Hypertensive heart and chronic kidney disease
I13.0|Hypertensive heart and kidney disease with heart failure
I50|Heart failure
I50.9|Heart failure, unspecified
I50.2|Systolic (congestive) heart failure
I50.20|Unspecified systolic (congestive) heart failure
I50.21|Acute systolic (congestive) heart failure
I50.23|Acute on chronic systolic (congestive) heart failure
I63|Cerebral infarction
I63.9|Cerebral infarction, unspecified
Z79|Long term (current) drug therapy
Z79.0|Long term use of anticoagulants and antiplatelets
Z79.01|Long term (current) use of anticoagulants
Z79.4|Long term (current) use of insulin
Z86|Personal history of certain other diseases
Z86.7|Personal history of diseases of the circulatory system
Z86.73|Personal history of transient ischemic attack (TIA), and cerebral infarction without residual deficits
Z83|Family history of other specific disorders
Z83.3|Family history of diabetes mellitus
N18|Chronic kidney disease (CKD)
N18.4|Chronic kidney disease, stage 4 (severe)
N18.9|Chronic kidney disease, unspecified
L89|Pressure ulcer
L89.15|Pressure ulcer of sacral region
L89.153|Pressure ulcer of sacral region, stage 3
L89.159|Pressure ulcer of sacral region, unspecified stage
M25|Other joint disorder
M25.5|Pain in joint
M25.56|Pain in knee
M25.561|Pain in right knee
M25.562|Pain in left knee
M25.569|Pain in unspecified knee
O99|Other maternal diseases
O99.0|Anemia complicating pregnancy
O99.011|Anemia complicating pregnancy, first trimester
O99.013|Anemia complicating pregnancy, third trimester
O99.019|Anemia complicating pregnancy, unspecified trimester
S82|Fracture of lower leg
S82.2|Fracture of shaft of tibia
S82.20|Unspecified fracture of shaft of tibia
S82.201|Unspecified fracture of shaft of right tibia
S82.201A|Unspecified fracture of shaft of right tibia, initial encounter for closed fracture
S82.201B|Unspecified fracture of shaft of right tibia, initial encounter for open fracture type I or II
S82.201K|Unspecified fracture of shaft of right tibia, subsequent encounter for closed fracture with nonunion
Z90|Acquired absence of organs
Z90.4|Acquired absence of other parts of digestive tract
Z90.49|Acquired absence of other specified parts of digestive tract
B18|Chronic viral hepatitis
B18.1|Hepatitis B
B18.2|Hepatitis C
N08|Glomerular disorders in diseases classified elsewhere
A41|Other sepsis
A41.5|Sepsis due to other Gram-negative organisms
A41.51|Sepsis due to Escherichia coli
A41.9|Sepsis, unspecified organism
B96|Other bacterial agents as the cause of diseases classified elsewhere
B96.2|Escherichia coli as the cause of diseases classified elsewhere
B96.20|Unspecified Escherichia coli
P36|Bacterial sepsis of newborn
P36.9|Bacterial sepsis of newborn, unspecified
T39|Poisoning by nonopioid analgesics
T39.01|Poisoning by aspirin
T39.011|Poisoning by aspirin, accidental (unintentional)
T39.011A|Poisoning by aspirin, accidental (unintentional), initial encounter
T39.012|Poisoning by aspirin, intentional self-harm
T39.012A|Poisoning by aspirin, intentional self-harm, initial encounter
R50|Fever of other and unknown origin
R50.9|Fever, unspecified
Z3A|Weeks of gestation
Z3A.0|Weeks of gestation of pregnancy, unspecified or less than 10 weeks
Z3A.00|Weeks of gestation of pregnancy not specified
Z3A.3|Weeks of gestation of pregnancy, weeks 30-39
Z3A.32|32 weeks gestation of pregnancy
"""
NOTES = [
    ("I50", "code_first", "heart failure due to hypertension (I11.0)"),
    ("N18", "excludes1", "cerebral trouble (I63.-)"),
    ("I63", "excludes1", "kidney trouble (N18.-)"),
    ("E11.22", "use_additional", "code to identify stage of chronic kidney disease (N18.1-N18.6)"),
    ("E11", "use_additional", "code to identify control using:"),
    ("E11", "use_additional", "insulin (Z79.4)"),
    ("N08", "code_first", "underlying disease, such as:"),
    ("N08", "code_first", "sepsis (A40.0-A41.9)"),
]
SYNONYMS = [
    ("I10", "hypertension"),
    ("M25.569", "knee pain"),
    ("M25.561", "right knee pain"),
    ("M25.562", "left knee pain"),
    ("S82.20", "tibia fracture"),
    ("Z90.49", "cholecystectomy"),
    ("I50.20", "HFrEF"),
    ("L89.159", "sacral sore"),
    ("O99.019", "anemia in pregnancy"),
    ("N08", "glomerular trouble"),
    ("P36.9", "sepsis of newborn"),
    ("T39.011", "aspirin overdose"),
    ("Z3A", "weeks gestation"),
    ("B96.20", "E. coli"),
    ("I63.9", "stroke"),
]


@cache
def release() -> Ontology:
    """The classification above; a code with children is not billable."""
    rows = [line.split("|") for line in CODES.split("\n") if line]
    codes = [code for code, _ in rows]
    parents = {
        code: max((p for p in codes if code.startswith(p) and p != code), key=len, default="1") for code in codes
    }
    headers = set(parents.values())
    concepts = pl.DataFrame(
        {
            "node": ["1", *codes],
            "code": ["1", *codes],
            "kind": ["chapter", *("category" if len(code) == 3 else "code" for code in codes)],
            "name": ["All of it", *(name for _, name in rows)],
            "active": [True] * (len(codes) + 1),
            "billable": [False, *(code not in headers for code in codes)],
            "expanded": [False, *(len(code) == 8 for code in codes)],
        }
    )
    terms = [(code, code, name, "preferred") for code, name in rows if len(code) < 8]
    terms += [(code, code, term, "synonym") for code, term in SYNONYMS]
    edges = pl.DataFrame([(parent, code) for code, parent in parents.items()], schema=["parent", "child"], orient="row")
    notes = pl.DataFrame(
        [(node, node, kind, text) for node, kind, text in NOTES], schema=["node", "code", "kind", "text"], orient="row"
    )
    frame = pl.DataFrame(terms, schema=["node", "code", "term", "kind"], orient="row")
    return Ontology("icd10cm", "2099", concepts, frame, edges, remarks=notes)


@cache
def coder() -> ConceptMapper:
    """Lexical evidence over the classification."""
    return ConceptMapper.load(build_index(release(), None), encoder=None)


def coded(text: str, **settings: object) -> dict[str, str]:
    """Codes of a note, with what is said of each."""
    found = coder().annotate_many(pl.DataFrame({"note_id": ["n"], "text": [text]}), **settings)  # type: ignore[arg-type]
    return dict(found.codes.select("code", "notes").iter_rows())
