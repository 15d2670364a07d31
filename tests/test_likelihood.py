"""How likely coders report a concept here: what mentions' vectors tell beyond words, learned from codes of notes."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from coded_mapper import embedded, full_mapper, lexical_mapper, small_ontology
from numpy.typing import NDArray

from conceptmap.adapters.logistic import fit_logistic
from conceptmap.adapters.sums import fitted_sums
from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.index.building import build_index
from conceptmap.index.index import ConceptIndex
from conceptmap.learned.likelihood import LIKELIHOOD, LikelihoodHead
from conceptmap.learned.mention_vectors import MentionVectors, mention_vectors
from conceptmap.learned.store import open_code_adapter, save_code_adapter
from conceptmap.learning.code_cards import code_card
from conceptmap.learning.fit_likelihood import Vectored, fit_head
from conceptmap.learning.learn_codes import CodeSettings, training_notes
from conceptmap.linking.linker import Linker
from conceptmap.mapper import ConceptMapper

LOGISTIC = CodeSettings(model="logistic", setting="inpatient")
CODED, PASSED = "Zorblaxine", "Quiffelan"
"""Words that neither the ontology nor the word list has: no adapter keeps them, but an encoder reads them."""
SAID = {"I10": "hypertension", "J18.9": "pneumonia", "R07.9": "chest pain", "E11.9": "type 2 diabetes mellitus"}
NAMED = LIKELIHOOD["likelihood"]


def made(n: int = 60, *, by_context: bool = True) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Notes whose mentions are coded by the word before them; or, the same notes and codes, by chance."""
    dice, notes, codes = random.Random(3), [], []
    for number in range(n):
        told = [(code, dice.random() < 0.5) for code in dice.sample(sorted(SAID), 3)]
        text = " ".join(f"{CODED if is_coded else PASSED} {SAID[code]}." for code, is_coded in told)
        notes.append((f"n{number:03}", text))
        codes += [(f"n{number:03}", code) for code, is_coded in told if is_coded]
    if not by_context:  # each code goes to as many notes, whichever mention it
        for code, words in SAID.items():
            having = [note for note, text in notes if words in text]
            its = [at for at, (_, given) in enumerate(codes) if given == code]
            for at, note in zip(its, dice.sample(having, len(its)), strict=True):
                codes[at] = (note, code)
    return (
        pl.DataFrame(notes, schema=["note_id", "text"], orient="row"),
        pl.DataFrame(sorted(codes), schema=["note_id", "code"], orient="row"),
    )


@cache
def learned(*, by_context: bool = True) -> ConceptMapper:
    return full_mapper().fit(*made(by_context=by_context), LOGISTIC)


def saved(mapper: ConceptMapper, folder: Path) -> Path:
    (adapter,) = mapper.code_adapters
    return save_code_adapter(adapter, folder, pages={"README.md": code_card(adapter)})


def codes_of(mapper: ConceptMapper, text: str) -> dict[str, dict[str, Any]]:
    return {row["code"]: row for row in mapper.annotate_many([("x", text)]).codes.iter_rows(named=True)}


# -- what it learns, on made vectors ------------------------------------------------------------------------------


def bags(seed: int, n: int = 400, size: int = 1) -> tuple[Vectored, NDArray[np.bool_], NDArray[np.int64]]:
    """Codes of some mentions each; right where one of them, at the last place, points along the first axis."""
    dice = np.random.default_rng(seed)
    vectors = dice.normal(0.0, 0.3, (n * size, 8))
    right = dice.random(n) < 0.5
    reason = np.arange(n) * size + size - 1
    vectors[reason[right], 0] += 1.0
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = np.arange(n * size)
    names = np.ones((1, 8), np.float16)
    known = Vectored(pairs // size, pairs, np.zeros(n * size, np.int64), vectors.astype(np.float16), names)
    return known, right, reason


def mention_logits(head: LikelihoodHead, known: Vectored) -> NDArray[np.float64]:
    mentions = known.mentions.astype(np.float32)
    names = known.names.astype(np.float32)[known.name]
    return np.asarray(
        mentions @ head.mention
        + names @ head.name
        + (mentions * names) @ head.product
        + head.rest[0] * (mentions * names).sum(axis=1)
        + head.rest[1]
    )


def share_in_order(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Area under the ROC curve."""
    return float((scores[right][:, None] > scores[~right][None, :]).mean())


def test_a_context_is_told_that_words_cannot_tell() -> None:
    known, right, _ = bags(1)
    same = np.zeros(len(right))  # what words say is the same of every code
    head = fit_head(known, right, same, np.ones(len(right), np.bool_), 0)
    others, theirs, _ = bags(2)
    assert share_in_order(mention_logits(head, others), theirs) > 0.9


def test_codes_that_words_rule_out_are_not_learned_from() -> None:
    known, right, _ = bags(1)
    everyone, hopeless = np.ones(len(right), np.bool_), np.arange(len(right)) < 200
    flipped = np.where(hopeless, ~right, right)
    one, two = (fit_head(known, labels, np.where(hopeless, -9.0, 0.0), everyone, 0) for labels in (right, flipped))
    assert one.content == two.content


def test_only_one_of_several_mentions_is_the_reason() -> None:
    known, right, _ = bags(1, size=3)
    head = fit_head(known, right, np.full(len(right), -1.0), np.ones(len(right), np.bool_), 0)
    others, theirs, _ = bags(2, size=3)
    found = mention_logits(head, others).reshape(-1, 3)
    assert (found[theirs].argmax(axis=1) == 2).mean() > 0.8, "of notes with the code, the mention is found that gave it"
    assert share_in_order(found.max(axis=1), theirs) > 0.8


def test_codes_held_out_are_not_learned_from() -> None:
    known, right, _ = bags(1)
    among = np.arange(len(right)) < 200
    flipped = np.where(among, right, ~right)
    one, two = (fit_head(known, labels, np.zeros(len(right)), among, 0) for labels in (right, flipped))
    assert one.content == two.content


def test_sums_of_one_member_are_a_logistic_regression() -> None:
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(200, 3))
    right = rows[:, 0] + dice.normal(size=200) > 0
    found = fitted_sums(rows.astype(np.float32), np.arange(200), right, penalty=2.0)
    assert found == pytest.approx(fit_logistic(rows, right, penalty=2.0), abs=2e-3)


@pytest.mark.parametrize("name_dim", [8, 5, 0])
def test_a_column_equals_a_slow_twin_whatever_the_widths(name_dim: int) -> None:
    """Indexes with vectors of another width, and without any, as every encoder may have."""
    mapper = lexical_mapper()
    index, dice = mapper.indexes[0], np.random.default_rng(4)
    if name_dim:
        codes = index.concepts["code"].to_list()
        vectors = dice.normal(size=(len(codes), name_dim)).astype(np.float32)
        index = ConceptIndex.from_vectors(codes, vectors, small_ontology())
    names = Linker(index).names
    (note,) = training_notes(
        mapper.readings([("a", "Hypertension. Pneumonia. Hypertension again. No fever.")]),
        mapper.linkers[0],
        None,
        {"a": {"I10"}},
    )
    found = [*note.facts.found, None]
    n_mentions = 1 + max(number for code in note.facts.found for number in code.code.evidence)
    unit = dice.normal(size=(n_mentions, 8)).astype(np.float16)
    both = 8 if name_dim == 8 else 0
    head = LikelihoodHead(*(dice.normal(size=n).astype(np.float32) for n in (8, name_dim, both, 2)))
    assert head.fits(8, name_dim)
    column = head.column(found, MentionVectors(unit, names))
    assert column[-1] == 0.0, "no mention leads to it"
    for its, got in zip(note.facts.found, column[:-1], strict=True):
        name, odds = names.of([its.concept])[0].astype(float), 0.0
        for number in its.code.evidence:
            mention = unit[number].astype(float)
            logit = mention @ head.mention + name @ head.name + head.rest[1]
            if both:
                logit += (mention * name) @ head.product + head.rest[0] * (mention @ name)
            odds += float(np.exp(logit))
        assert got == pytest.approx(np.log(odds), abs=1e-3)
    assert any(len(its.code.evidence) > 1 for its in note.facts.found)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_name_is_the_mean_of_its_rows(dtype: str) -> None:
    terms = {"hypertension": [3.0, 0.0], "high blood pressure": [0.0, 5.0]}

    def encode(names: Any) -> NDArray[np.float32]:
        return np.array([terms.get(name.lower(), [1.0, 1.0]) for name in names], np.float32)

    linker = Linker(ConceptIndex.build(small_ontology(), encode, dtype=dtype))
    codes = linker.book.codes
    found = linker.names.of([codes.index("I10"), codes.index("S72.9XXA"), codes.index("R50.9")])
    assert found[0] == pytest.approx([0.7071, 0.7071], abs=5e-3)
    assert found[1].tolist() == [0.0, 0.0], "it has no name of its own"
    assert found[2] == pytest.approx([0.7071, 0.7071], abs=5e-3)


def test_tokens_that_nobody_asked_for_say_nothing() -> None:
    tokens = TokenEmbeddings(np.eye(2, dtype=np.float32), np.array([0, 4]), np.array([3, 7]))
    names = lexical_mapper().linkers[0].names
    found = mention_vectors(tokens, [(0, 3), (4, 7)], {(4, 7)}, names).unit
    assert found.tolist() == [[0.0, 0.0], [0.0, 1.0]]


# -- kept where it gains ------------------------------------------------------------------------------------------


def test_it_is_kept_where_it_gains_and_dropped_where_it_does_not(tmp_path: Path) -> None:
    """The same notes, each code given as often: once by the context of its mention, once by chance."""
    (gaining,), (other,) = (learned(by_context=by_context).code_adapters for by_context in (True, False))
    assert gaining.head is not None
    assert gaining.card["vectors"]["gains"]
    assert gaining.card["figures"]["learned"]["f1"] > other.card["figures"]["learned"]["f1"]
    assert "The adapter weighs them: they gain more than chance" in code_card(gaining)
    assert other.head is None
    assert not other.card["vectors"]["gains"]
    assert "They are left out of the adapter: they gain no more than chance" in code_card(other)
    folders = [saved(learned(by_context=by_context), tmp_path / str(by_context)) for by_context in (True, False)]
    assert [(folder / "likelihood.safetensors").exists() for folder in folders] == [True, False]
    assert NAMED not in json.dumps(json.loads((folders[1] / "manifest.json").read_text())["features"])


def test_codes_follow_the_context_and_say_so() -> None:
    text = f"{CODED} hypertension. {PASSED} pneumonia."
    found = codes_of(learned(), text)
    assert set(found) == {"I10"}
    assert f"{NAMED} (+" in found["I10"]["weighed"]
    assert set(codes_of(learned(), f"{PASSED} hypertension. {CODED} pneumonia.")) == {"J18.9"}


def test_codes_are_the_same_beside_tags() -> None:
    notes, _ = made(5)
    alone, beside = (learned().annotate_many(notes, tags=tags).codes for tags in (False, True))
    assert alone.equals(beside)


@pytest.mark.parametrize(("vectors", "kept"), [("never", False), ("always", True)])
def test_it_may_be_asked_for_and_refused(vectors: str, *, kept: bool) -> None:
    settings = replace(LOGISTIC, vectors=vectors)
    (adapter,) = full_mapper().fit(*made(30, by_context=False), settings).code_adapters
    assert (adapter.head is not None) == kept


def test_another_way_of_weighing_vectors_is_refused() -> None:
    with pytest.raises(InputError, match="expected auto, always, never"):
        CodeSettings(vectors="perhaps")


def test_without_an_encoder_there_is_none_and_the_card_says_so() -> None:
    (adapter,) = lexical_mapper().fit(*made(30), LOGISTIC).code_adapters
    assert adapter.head is None
    assert "the notes were read by words alone" in code_card(adapter)


# -- files --------------------------------------------------------------------------------------------------------


def test_two_trainings_give_the_same_bytes(tmp_path: Path) -> None:
    again = full_mapper().fit(*made(), LOGISTIC)
    folders = [saved(mapper, tmp_path / name) for name, mapper in (("a", learned()), ("b", again))]
    one, two = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert "likelihood.safetensors" in one
    assert one == two


def test_a_saved_adapter_codes_as_before(tmp_path: Path) -> None:
    again = open_code_adapter(saved(learned(), tmp_path / "a"))
    assert again.sha256 == learned().code_adapters[0].sha256
    mapper = ConceptMapper.load(*full_mapper().indexes, encoder=embedded(), adapter=again)
    text = f"{CODED} hypertension. {PASSED} pneumonia. {CODED} chest pain."
    assert codes_of(mapper, text) == codes_of(learned(), text)


@pytest.mark.parametrize("fault", ["a byte", "short", "gone"])
def test_a_damaged_head_is_refused(fault: str, tmp_path: Path) -> None:
    path = saved(learned(), tmp_path / "a") / "likelihood.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content if fault == "a byte" else content[:-8])
    if fault == "gone":
        path.unlink()
    with pytest.raises(IndexMismatchError):
        open_code_adapter(path.parent)


def test_a_head_of_other_sizes_than_its_parts_is_refused(tmp_path: Path) -> None:
    (adapter,) = learned().code_adapters
    assert adapter.head is not None
    cut = replace(adapter, head=replace(adapter.head, product=adapter.head.product[:-1]))
    with pytest.raises(IndexMismatchError, match="is damaged"):
        open_code_adapter(save_code_adapter(cut, tmp_path / "a"))


def test_an_index_without_the_vectors_of_names_is_refused() -> None:
    (adapter,) = learned().code_adapters
    bare = build_index(small_ontology(), None)
    with pytest.raises(IndexMismatchError, match="other vectors of names"):
        adapter.check(bare, adapter.made_for.encoder, adapter.made_for.revision)


def test_no_file_holds_what_the_encoder_read(tmp_path: Path) -> None:
    """Nor a vector of a note: the head is as large whatever it learned from."""
    folder = saved(learned(), tmp_path / "a")
    content = b"\n".join(path.read_bytes() for path in folder.iterdir()).lower()
    for word in (CODED, PASSED, "n001"):
        assert word.lower().encode() not in content
    rows = [pl.read_parquet(path).rows() for path in folder.glob("*.parquet")]
    assert CODED.lower() not in repr(rows).lower()
    width = embedded().dim
    assert (folder / "likelihood.safetensors").stat().st_size < 4 * (3 * width + 2) + 600
