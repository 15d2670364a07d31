"""What vectors find near windows of words, as possible codes: exact, told as that, and nothing without an encoder."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from coded_mapper import full_mapper, lexical_mapper
from test_learning import LOGISTIC, made
from test_relatives import facts, given
from whole_release import mapper as release

from conceptmap.learned.features import FEATURES, possible_codes
from conceptmap.learned.models import LogisticModel
from conceptmap.learned.near_windows import MOST_NEAR, WINDOWS, NearConcept, near_numbers, near_windows, windows
from conceptmap.linking.pooling import pool
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import content_words

SAID = "The heart is weak and fails to pump. Sugar disease harms the kidneys."
"""No mention: vectors alone find anything."""


@cache
def learned() -> ConceptMapper:
    return full_mapper().fit(*made(30), LOGISTIC)


def flat(least: float = 0.0) -> ConceptMapper:
    """A model to which every possible code is as probable, and that nothing else than vectors proposes codes to."""
    (adapter,) = learned().code_adapters
    model = LogisticModel(np.zeros(len(FEATURES) + 1), np.zeros(len(FEATURES)))
    told = replace(adapter, model=model, associations=given("I50.9"), least_seen=least, least_unseen=2.0)
    return replace(learned(), code_adapters=(told,))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("heart pumps", ["heart", "heart pumps", "pumps"]),
        ("heart. Pumps", ["heart", "Pumps"]),
        (
            "heart muscle valve wall pump",
            [
                *"heart|heart muscle|heart muscle valve|heart muscle valve wall".split("|"),
                *"muscle|muscle valve|muscle valve wall|muscle valve wall pump|valve|valve wall|valve wall pump".split(
                    "|"
                ),
                "wall",
                "wall pump",
                "pump",
            ],
        ),
        ("", []),
    ],
)
def test_windows_have_up_to_four_words_and_no_full_stop(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in windows(content_words(text))] == expected


def test_what_is_near_equals_a_slow_twin() -> None:
    (linker,) = full_mapper().linkers
    (reading,) = full_mapper().readings([("x", f"{SAID} Pneumonia.")], every_token=True)
    assert reading.tokens is not None
    spans = windows(reading.content)
    best: dict[int, tuple[float, int, float, int, tuple[int, int]]] = {}
    for span, vector in zip(spans, pool(reading.tokens, spans), strict=True):
        cosines = linker.cosines(vector[None], [range(linker.index.concepts.height)])[0]
        order = [c for c in np.argsort(-np.array(cosines), kind="stable").tolist() if cosines[c] >= 0.45][:10]
        shown = [*(cosines[c] for c in order), 0.45]
        for rank, concept in enumerate(order):
            margin = shown[0] - shown[1] if rank == 0 else shown[rank] - shown[0]
            code = linker.book.default(concept)
            cosine, lowest, before, n, place = best.get(code, (-1.0, 99, 0.0, 0, span))
            if shown[rank] > cosine + 1e-7:
                cosine, before, place = shown[rank], margin, span
            best[code] = cosine, min(rank, lowest), before, n + 1, place
    found = near_windows(reading.content, reading.tokens, linker)
    assert {one.concept for one in found} == best.keys()
    assert len(found) >= 5
    for one in found:
        cosine, rank, margin, n, _ = best[one.concept]
        assert (one.rank, one.windows) == (rank, n)
        assert one.cosine == pytest.approx(cosine, abs=1e-5)
        assert one.margin == pytest.approx(margin, abs=1e-5)
    assert [one.cosine for one in found] == sorted((one.cosine for one in found), reverse=True)


def test_vectors_propose_what_no_mention_names_and_tell_the_words() -> None:
    row = {row["code"]: row for row in flat().code([("x", SAID)]).iter_rows(named=True)}["I50.9"]
    assert row["evidence"] == ""
    assert "no mention names it: vectors find it near words of this note" in row["notes"]
    assert row["rests_on"].startswith(f"“{row['text']}” is near it (cosine 0.")
    assert row["rests_on"].endswith("; given in 1 of 9 notes)")
    assert "heart" in row["text"].lower()
    assert "I50.9" not in flat().code([("x", "The window was open.")])["code"].to_list()


def test_a_code_that_mentions_name_is_told_by_them() -> None:
    row = {row["code"]: row for row in flat().code([("x", "Heart failure.")]).iter_rows(named=True)}["I50.9"]
    assert row["evidence"] == "m1"
    assert row["rests_on"].startswith("mentions of it")


def test_without_an_encoder_nothing_is_near() -> None:
    its, linker = facts(SAID, lexical_mapper())
    assert its.near == ()
    assert possible_codes(its, given("I50.9"), linker.book).codes == []
    its, linker = facts("Heart failure.", lexical_mapper())
    rows = possible_codes(its, given("I50.9"), linker.book).rows
    assert not rows[:, [[*FEATURES].index(name) for name in WINDOWS]].any()


def test_vectors_alone_propose_no_more_than_a_bound_and_the_nearest() -> None:
    (linker,) = release().linkers
    its, _ = facts("", release())
    near = [NearConcept(at, 0.9 - at / 1000, at % 3, 0.1, at, (0, 1)) for at in range(2, 80)]
    possible = possible_codes(replace(its, near=near), given(), linker.book)
    assert possible.codes == [linker.book.codes[one.concept] for one in near][:MOST_NEAR]
    numbers = near_numbers([6, 99], near)
    assert numbers[0].tolist() == pytest.approx([0.894, 1.0, 0.1, np.log1p(6), 1 / 5])
    assert not numbers[1].any()
