"""Vectors choose the code of a category that the words beside a mention mean, and make no code on their own."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
import whole_release
from coded_mapper import embedded
from numpy.typing import NDArray

from conceptmap.coding.coding import note_codes
from conceptmap.encoders import load_encoder
from conceptmap.index.building import build_index
from conceptmap.linking.linker import Linker
from conceptmap.linking.more_exact import GAIN, MARGIN, _Asked
from conceptmap.linking.words_beside import windows_beside
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import content_words
from conceptmap.matching.mentions import Candidate, Mention, MoreExact
from conceptmap.ontology.codebook import CodeBook
from conceptmap.ontology.ontology import Ontology
from conceptmap.text.context import Context

CONCEPTS = [  # node, name, parent; leaves are billable
    ("D59", "Acquired hemolytic anemia", None),
    ("D59.1", "Autoimmune hemolytic anemia", "D59"),
    ("D59.10", "Autoimmune hemolytic anemia, unspecified", "D59.1"),
    ("D59.11", "Warm autoimmune hemolytic anemia", "D59.1"),
    ("D59.12", "Cold autoimmune hemolytic anemia", "D59.1"),
    ("D59.19", "Other autoimmune hemolytic anemia", "D59.1"),
    ("H35", "Other retinal disorders", None),
    ("H35.3", "Degeneration of macula and posterior pole", "H35"),
    ("H35.30", "Unspecified macular degeneration", "H35.3"),
    ("H35.31", "Nonexudative age-related macular degeneration", "H35.3"),
    ("H35.311", "Nonexudative age-related macular degeneration, right eye", "H35.31"),
    ("H35.312", "Nonexudative age-related macular degeneration, left eye", "H35.31"),
    ("H35.319", "Nonexudative age-related macular degeneration, unspecified eye", "H35.31"),
    ("H35.32", "Exudative age-related macular degeneration", "H35.3"),
    ("H35.321", "Exudative age-related macular degeneration, right eye", "H35.32"),
    ("H35.322", "Exudative age-related macular degeneration, left eye", "H35.32"),
    ("H35.329", "Exudative age-related macular degeneration, unspecified eye", "H35.32"),
    ("K59.0", "Constipation", None),
    ("K59.00", "Constipation, unspecified", "K59.0"),
    ("K59.01", "Slow transit constipation", "K59.0"),
    ("K59.03", "Drug induced constipation", "K59.0"),
    ("K59.04", "Chronic idiopathic constipation", "K59.0"),
    ("R13", "Aphagia and dysphagia", None),
    ("R13.10", "Dysphagia, unspecified", "R13"),
    ("R13.11", "Dysphagia, oral phase", "R13"),
    ("R13.13", "Dysphagia, pharyngeal phase", "R13"),
    ("R50", "Fever", None),
    ("R50.9", "Fever, unspecified", "R50"),
    ("R50.81", "Fever presenting with conditions classified elsewhere", "R50"),
]

INCLUDED = [("H35.31", "Dry age-related macular degeneration"), ("H35.32", "Wet age-related macular degeneration")]
SAME = {"dry": "nonexudative", "wet": "exudative", "moist": "exudative"}
FAINT = {"unspecified", "age", "related", "phase"}
"""Words that mean another, and words that mean little."""


def meanings(texts: list[str]) -> NDArray[np.float32]:
    """What an encoder that knows meanings might give: each word has a direction of its own, those that mean it too."""
    out = np.full((len(texts), 96), 1e-3, dtype=np.float32)
    for row, text in zip(out, texts, strict=True):
        for word in re.findall(r"[a-z]+", text.lower()):
            of = np.random.default_rng(zlib.crc32(SAME.get(word, word).encode())).standard_normal(96)
            row += of / np.linalg.norm(of) * (0.2 if word in FAINT else 1.0)
    return out


@cache
def ontology() -> Ontology:
    """Some categories of ICD-10-CM, of which some codes say more than others."""
    nodes = [node for node, *_ in CONCEPTS]
    above = {parent for *_, parent in CONCEPTS if parent}
    concepts = pl.DataFrame(
        {
            "node": nodes,
            "code": nodes,
            "kind": ["category" if parent is None else "code" for *_, parent in CONCEPTS],
            "name": [name for _, name, _ in CONCEPTS],
            "active": [True] * len(nodes),
            "billable": [node not in above for node in nodes],
        }
    )
    named = [(node, node, name, "preferred") for node, name, _ in CONCEPTS]
    named += [(node, node, name, "inclusion") for node, name in INCLUDED]
    terms = pl.DataFrame(named, schema=["node", "code", "term", "kind"], orient="row")
    edges = [(parent, node) for node, _, parent in CONCEPTS if parent]
    return Ontology("icd10cm", "2099", concepts, terms, pl.DataFrame(edges, schema=["parent", "child"], orient="row"))


@cache
def mapper(kind: str, scale: str = "") -> ConceptMapper:
    """By "words" alone, "meanings", or "embedded", over an index whose cosines are on this scale, else as they are."""
    encoder = None if kind == "words" else embedded() if kind == "embedded" else load_encoder(meanings)
    index = build_index(ontology(), encoder)
    facts = {"cosine scale": scale} if scale else {}
    there = replace(index, manifest=replace(index.manifest, facts=facts))
    return ConceptMapper.load(there, encoder=encoder)


@cache
def book() -> CodeBook:
    return mapper("words").linkers[0].book


def found(text: str, kind: str = "words", scale: str = "") -> pl.DataFrame:
    notes = pl.DataFrame({"note_id": ["1"], "text": [text]})
    return mapper(kind, scale).annotate_many(notes, setting="inpatient").codes


def code(text: str, kind: str = "words", scale: str = "") -> str:
    (one,) = found(text, kind, scale)["code"]
    return str(one)


@pytest.mark.parametrize(
    ("text", "by_words", "by_vectors"),
    [
        ("Macular degeneration, dry.", "H35.30", "H35.319"),
        ("Macular degeneration, wet.", "H35.30", "H35.329"),
        ("Macular degeneration, moist.", "H35.30", "H35.30"),  # means it as well, and stands in no term
        ("Macular degeneration.", "H35.30", "H35.30"),
        ("Macular degeneration, stable.", "H35.30", "H35.30"),
        ("Macular degeneration, not wet.", "H35.30", "H35.30"),  # denied
        ("Macular degeneration. Dry skin.", "H35.30", "H35.30"),  # of something else
        ("Macular degeneration, wet, left eye.", "H35.30", "H35.322"),  # and the side, by words
        ("Autoimmune hemolytic anemia (warm).", "D59.10", "D59.11"),
        ("Autoimmune hemolytic anemia (cold).", "D59.10", "D59.12"),
        ("Autoimmune hemolytic anemia (mild).", "D59.10", "D59.10"),
        ("Pharyngeal dysphagia.", "R13.10", "R13.13"),
        ("Severe dysphagia.", "R13.10", "R13.10"),
    ],
)
def test_the_words_beside_a_mention_choose_the_code(text: str, by_words: str, by_vectors: str) -> None:
    assert (code(text), code(text, "meanings")) == (by_words, by_vectors)


def test_the_code_says_which_words_chose_it_and_instead_of_which_code() -> None:
    (notes,) = found("Macular degeneration, dry.", "meanings")["notes"]
    assert "nearest in meaning to “Macular degeneration, dry”: completes H35.30" in notes


def test_an_exact_code_takes_over_the_other_mentions_of_the_open_one() -> None:
    text = "Macular degeneration, dry. Reads poorly for her macular degeneration."
    assert found(text)["code"].to_list() == ["H35.30"]
    codes = found(text, "meanings")
    assert codes["code"].to_list() == ["H35.319"]
    assert codes["evidence"].to_list() == ["m1 m2"]


@pytest.mark.parametrize(("scale", "chosen"), [("0.16 0.90 separates", "H35.319"), ("0.16 0.90 mixes", "H35.30")])
def test_an_encoder_that_tells_nothing_apart_chooses_nothing(scale: str, chosen: str) -> None:
    assert code("Macular degeneration, dry.", "meanings", scale) == chosen


def test_where_cosines_are_higher_so_are_the_thresholds() -> None:
    assert code("Macular degeneration, dry.", "meanings", "0.90 1.20 separates") == "H35.30"


def test_the_embedded_encoder_knows_some_of_it() -> None:
    assert code("Autoimmune hemolytic anemia (warm).", "embedded") == "D59.11"


@pytest.mark.parametrize(
    ("system", "evidence", "given"),
    [("icd10cm", "both", ["R13.13"]), ("icd10cm", "vector", []), ("doid", "vector", ["R13.13"])],
)
def test_vectors_alone_name_no_code_where_the_wordings_were_reviewed(
    system: str, evidence: str, given: list[str]
) -> None:
    there = replace(book(), system=system)
    mention = Mention(0, 8, (Candidate(there.position_of_code["R13.13"], 0.8, 0.8, evidence),))
    note = note_codes([mention], [Context(False, "patient", "recent", "certain")], there, text="Swallows.")
    assert [there.codes[one.concept] for one in note.accepted] == given
    assert [one.reason for one in note.taken] == ([] if given else ["near in meaning, no name of it is said"])


@pytest.mark.parametrize(("evidence", "sited"), [("lexical", True), ("vector", False)])
def test_rules_choose_among_what_words_name(evidence: str, sited: bool) -> None:
    """A neighbour among vectors with sides of its own is no finding at the sites that are listed."""
    release = whole_release.mapper().linkers[0].book
    own, other = (release.position_of_code[code] for code in ("R20.2", "G57.1"))
    mention = Mention(0, 12, (Candidate(own, 0.8, 0.8, "lexical"), Candidate(other, 0.6, 0.1, evidence)))
    text = "Paresthesias in the left leg and the right leg."
    note = note_codes([mention], [Context(False, "patient", "recent", "certain")], release, text=text)
    assert any(release.codes[one.concept].startswith("G57.1") for one in note.accepted) is sited


@pytest.mark.parametrize(
    ("open_code", "exact"),
    [
        ("H35.30", ["H35.31", "H35.32"]),  # no sides, and not what lies above it
        ("D59.10", ["D59.11", "D59.12"]),  # nothing residual
        ("R13.10", ["R13.11", "R13.13"]),
        ("K59.00", ["K59.01"]),  # and no cause: that is for words to say
        ("R50.9", []),  # nor what depends on another disease
        ("D59.11", []),  # leaves nothing open
        ("R13", []),  # is not written down
    ],
)
def test_what_says_more_than_an_open_code(open_code: str, exact: list[str]) -> None:
    at = book().position_of_code[open_code]
    assert [book().codes[concept] for concept in book().more_exact(at)] == exact


def windows(text: str) -> list[str]:
    """The words that may say more, of the first mention that they are asked for."""
    linker: Linker = mapper("words").linkers[0]
    (mentions,) = linker.lexical([text], [content_words(text)])
    beside = windows_beside(text, content_words(text), mentions, linker.book)
    return [text[start:end] for start, end in next(iter(beside.values()), [])]


@pytest.mark.parametrize(
    ("text", "wider"),
    [
        ("green dysphagia violet", ["dysphagia violet", "green dysphagia", "green dysphagia violet"]),
        ("green. dysphagia violet", ["dysphagia violet"]),
        ("macular degeneration dysphagia violet", []),  # the first mention has nothing but the second beside it
        ("dysphagia, no violet", []),
        ("dysphagia one two three four", ["dysphagia one", "dysphagia one two", "dysphagia one two three"]),
    ],
)
def test_words_beside_a_mention_end_at_full_stops_mentions_and_denials(text: str, wider: list[str]) -> None:
    assert windows(text) == wider


def test_codes_that_rules_complete_are_left_to_them() -> None:
    assert windows("autoimmune hemolytic anemia violet") == ["autoimmune hemolytic anemia violet"]
    assert windows("pneumonia violet") == []


NEAR = [[0.79, 0.79, 0.64, 0.64], [0.74, 0.74, 0.84, 0.70]]
"""A mention, and it with the words beside it, to its own concept and code and to two that say more."""


@pytest.mark.parametrize(
    ("row", "column", "cosine", "chosen"),
    [
        (1, 2, 0.84, True),
        (1, 2, 0.79, False),  # not almost a term
        (1, 0, 0.85, False),  # nearer to its own concept
        (0, 2, 0.89 - GAIN + 0.001, False),  # the mention alone was as near
        (0, 2, 0.89 - GAIN - 0.001, True),
        (1, 3, 0.84 - MARGIN + 0.001, False),  # another says it nearly as well
        (1, 3, 0.84 - MARGIN - 0.001, True),
    ],
)
def test_one_reason_less_and_nothing_is_chosen(row: int, column: int, cosine: float, chosen: bool) -> None:
    concepts = [book().position_of_code[one] for one in ("R13.10", "R13.10", "R13.11", "R13.13")]
    near = np.array(NEAR)
    near[row, column] = cosine
    asked = _Asked(0, 0, [(5, 9), (0, 9)], concepts)
    assert asked.chosen(near, book()) == (MoreExact(concepts[2], 0, 9) if chosen else None)
