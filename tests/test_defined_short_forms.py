"""Short forms whose long form says more than a name, and other readings that systems without reviewed wordings need."""

from __future__ import annotations

import polars as pl
import pytest
from small_ontologies import ontology_of

from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper

NAMES = (
    "Ataxia telangiectasia",
    "von Hippel-Lindau disease",
    "Thrombocytopenia",
    "Colorectal cancer",
    "Gastrointestinal disease",
    "Cardiovascular system disease",
    "Obesity",
    "Glucose: [intolerance] or [malabsorption]",
)


def mentions_in(text: str) -> set[tuple[str, str]]:
    mapper = ConceptMapper.load(build_index(ontology_of([], extra=NAMES), None), encoder=None)
    found = mapper.annotate_many(pl.DataFrame({"note_id": ["1"], "text": [text]})).mentions.filter(rank=1)
    return set(found.select("text", "code").iter_rows())


@pytest.mark.parametrize(
    ("text", "word", "name"),
    [
        ("Ataxia-telangiectasia (A-T) is rare. The A-T gene.", "A-T", "Ataxia telangiectasia"),
        ("The von Hippel-Lindau (VHL) gene. VHL kindreds.", "VHL", "von Hippel-Lindau disease"),
        ("Heparin-induced thrombocytopenia (HIT). HIT resolved.", "HIT", "Thrombocytopenia"),
        ("Deleted in colorectal cancer (DCC). DCC was lost.", "DCC", None),
        ("The gastrointestinal (GI) tract. GI bleeding.", "GI", None),
        ("Cardiovascular disease.", "Cardiovascular disease", "Cardiovascular system disease"),
        ("An obese man.", "obese", "Obesity"),
        ("Glucose was given.", "Glucose", None),
    ],
)
def test_what_a_short_form_or_adjective_stands_for(text: str, word: str, name: str | None) -> None:
    assert {code for written, code in mentions_in(text) if written == word} == ({name} if name else set())
