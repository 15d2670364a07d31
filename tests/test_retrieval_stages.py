"""First stages, words, filters and names: what they leave out, and what they never change."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import small_mapper
from numpy.typing import NDArray
from test_retrieval import NOTES, words

from conceptmap.cli import main
from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.retrieval import search as module
from conceptmap.retrieval.muvera import Muvera
from conceptmap.retrieval.names import NAMES, NameSearch
from conceptmap.retrieval.search import NoteSearch
from conceptmap.topk.maxsim import maxsim


def encoded_slowly(muvera: Muvera, tokens: NDArray[Any], *, query: bool) -> NDArray[Any]:
    """The paper's definition, token by token."""
    planes = muvera._hyperplanes.reshape(muvera.dim, muvera.repetitions, muvera.planes)
    narrow = muvera._projections.reshape(muvera.dim, muvera.repetitions, muvera.narrow)
    out = np.zeros((muvera.repetitions, muvera.clusters, muvera.narrow))
    for repetition in range(muvera.repetitions):
        bits = tokens @ planes[:, repetition] > 0
        for cluster in range(muvera.clusters):
            own = [bool(cluster >> place & 1) for place in range(muvera.planes)]
            inside = [token for token, bit in zip(tokens, bits, strict=True) if bit.tolist() == own]
            chosen: NDArray[Any] = np.zeros(muvera.dim)
            if query and inside:
                chosen = np.sum(inside, axis=0)
            elif inside:
                chosen = np.mean(inside, axis=0)
            elif not query:  # the nearest by signs; of equally near ones that of the lowest cluster, its first token
                numbers = bits @ (1 << np.arange(muvera.planes))
                apart = (bits != np.array(own)).sum(axis=1)
                chosen = tokens[min(range(len(tokens)), key=lambda at: (apart[at], numbers[at], at))]
            out[repetition, cluster] = chosen @ narrow[:, repetition]
    return out.reshape(-1)


def test_encodings_are_the_papers() -> None:
    draw = np.random.default_rng(1)
    muvera = Muvera(12, repetitions=3, planes=3, narrow=4)
    tokens = draw.normal(size=(40, 12)).astype(np.float32)
    tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    edges = np.array([0, 1, 4, 20, 40])
    found = muvera.passages(tokens, edges)
    assert found.shape == (4, muvera.width)
    for passage, (first, stop) in enumerate(pairwise(edges)):
        expected = encoded_slowly(muvera, tokens[first:stop], query=False)
        np.testing.assert_allclose(found[passage], expected, atol=1e-5)
    np.testing.assert_allclose(muvera.query(3 * tokens[:5]), encoded_slowly(muvera, tokens[:5], query=True), atol=1e-5)


def test_blocks_of_passages_change_no_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    from conceptmap.retrieval import muvera as own

    tokens = np.random.default_rng(2).normal(size=(60, 8)).astype(np.float16)
    edges = np.array([0, 10, 11, 30, 31, 60])
    whole = Muvera(8).passages(tokens, edges)
    monkeypatch.setattr(own, "ROWS_AT_ONCE", 12)
    np.testing.assert_allclose(Muvera(8).passages(tokens, edges), whole, atol=1e-6)


def test_products_find_the_passage_that_holds_the_query() -> None:
    tokens = np.random.default_rng(3).normal(size=(3000, 32)).astype(np.float32)
    tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    edges = np.arange(0, 3001, 15)
    muvera = Muvera(32)
    passages = muvera.passages(tokens, edges)
    for passage in range(0, 200, 20):
        query = tokens[edges[passage] : edges[passage + 1]][:8]
        assert int(np.argmax(passages @ muvera.query(query))) == passage


def test_the_stage_only_chooses_candidates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 2)
    search = NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    exact = search.search("swollen legs", 1, stage="exact").hits
    assert search.search("swollen legs", 1, stage="muvera").hits.rows() == exact.rows()
    assert search.search("swollen legs", 1).hits.rows() == exact.rows()
    looked = []

    def counted(*given: Any, passages: Any = None, **named: Any) -> Any:
        looked.append(passages)
        return maxsim(*given, passages=passages, **named)

    monkeypatch.setattr(module, "maxsim", counted)
    monkeypatch.setattr(module, "LARGE_ROWS", 3)
    many = NoteSearch.index({str(at): f"Visit {at * 37}. {NOTES['b']}" for at in range(40)}, encoder=words)
    many.search("femur", 1)
    assert 20 <= looked[-1].sum() < 40, "20 candidates for each note asked for, and their equals"
    many.search("femur", 1, stage="exact")
    assert looked[-1] is None
    with pytest.raises(InputError, match="no such way"):
        search.search("legs", stage="fast")


def test_notes_are_kept_by_concept_and_all_below_it() -> None:
    search = NoteSearch.index(NOTES, encoder=words, mapper=small_mapper.mapper())

    def ids(*concepts: str, **given: Any) -> set[str]:
        return set(search.search("legs", 9, concepts=concepts, **given).hits["note_id"])

    assert ids() == set("abcd")
    assert ids("I50.9") == ids("test:I50") == {"c", "d"}, "the category holds its codes"
    assert ids("test:9") == {"c", "d"}
    assert ids("I50", "E11") == {"c"}, "all of them"
    assert ids("I50", affirmed=True) == {"c"}, "d denies it"
    assert ids("R51.9", affirmed=True) == set()
    assert ids("I50", stage="muvera") == {"c", "d"}
    assert ids("I50", by="words") == {"c"}, "the word legs is in c alone"
    with pytest.raises(UnknownCodeError):
        ids("X99")


def test_denied_words_take_no_part_on_request() -> None:
    """The pair differs by one denial."""
    notes = {"has": "She reports headache.", "not": "She denies headache."}
    search = NoteSearch.index(notes, encoder=words, mapper=small_mapper.mapper())

    def scores(**given: Any) -> dict[str, float]:
        return dict(search.search("headache", **given).hits.select("note_id", "score").rows())

    plain, asked = scores(), scores(affirmed=True)
    assert plain["has"] == pytest.approx(plain["not"], abs=1e-6)
    assert asked["has"] == plain["has"]
    assert asked["not"] < plain["not"] - 0.01
    matched = search.search("headache", affirmed=True).matches.filter(pl.col("note_id") == "not")["note_token"]
    assert "headache" not in matched.to_list()


def test_words_find_by_bm25_and_both_are_fused() -> None:
    search = NoteSearch.index(NOTES, encoder=words)
    worded = search.search("the swollen femur", by="words").hits
    assert set(worded["note_id"]) == {"b", "c"}
    assert worded["words"].is_sorted(descending=True)
    assert search.search("xyzzy", by="words").hits.height == 0
    both = search.search("the swollen femur", by="both", k=3)
    assert both.hits["fused"].is_sorted(descending=True)
    near = search.search("the swollen femur", 9).hits["note_id"].to_list()
    ranked = worded["note_id"].to_list()
    for row in both.hits.iter_rows(named=True):
        own = [order.index(row["note_id"]) + 61 for order in (near, ranked) if row["note_id"] in order]
        assert row["fused"] == pytest.approx(sum(1 / rank for rank in own))
    summed = both.matches.group_by("rank", maintain_order=True).agg(pl.col("score").sum())["score"]
    assert summed.to_list() == pytest.approx(both.hits["score"].to_list()), "explained, whatever found it"


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    monkeypatch.setitem(sys.modules, "boolean", None)
    with pytest.raises(InputError, match=r"conceptmap\[retrieval\]"):
        NoteSearch.index(NOTES, encoder=words).search("fever", by="words")
    assert main(["cohort", "nowhere", "I50"]) == 2


def test_names_are_found_by_words_vectors_and_both() -> None:
    from conceptmap.encoders import load_encoder
    from conceptmap.index.building import build_index

    encoder = load_encoder(words)
    search = NameSearch([build_index(small_mapper.ontology(), encoder)], encoder)
    worded = search.search("high blood pressure", by="words")
    assert worded.schema == NAMES
    assert worded.row(0, named=True)["code"] == "I10"
    assert worded["term"][0] == "high blood pressure"
    near = search.search("fever", 3, by="vectors")
    assert (near["code"][0], near["term"][0]) == ("R50.9", "fever")
    assert near["score"][0] == pytest.approx(1.0, abs=1e-3)
    assert near["words"].null_count() == 3
    both = search.search("fever", 3)
    assert both["code"][0] == "R50.9"
    assert both["fused"].is_sorted(descending=True)
    wrongs: list[dict[str, Any]] = [{"query": " "}, {"query": "fever", "k": 0}, {"query": "fever", "by": "smell"}]
    for wrong in wrongs:
        with pytest.raises(InputError):
            search.search(**wrong)
    with pytest.raises(InputError, match="needs an encoder"):
        NameSearch(search.indexes, None).search("fever")


def test_the_command_searches_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = small_mapper.index().save(tmp_path / "ontology")
    own = ["--names", "--by", "words", "--ontology", str(index)]
    assert main(["search", "high blood pressure", *own, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["code"] == "I10"
    assert main(["search", "cardiac failure", *own]) == 0
    assert "test:I50.9" in capsys.readouterr().out
    assert main(["search", " ", *own]) == 2
