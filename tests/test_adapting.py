"""Training and applying an adapter, end to end, on invented notes and an encoder that hashes words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import polars as pl
import pytest
import small_mapper
from foreign_folders import reseal
from numpy.typing import NDArray

from conceptmap.adapters import Adapter, open_adapter, save_adapter
from conceptmap.cli import main
from conceptmap.encoders import TokenEmbeddings, TokenEncoder
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.export.report.marks import NoteView, mentions_of
from conceptmap.index.files import read_tensors
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.text.words import words
from conceptmap.training.cards import card_pages, with_facts
from conceptmap.training.train import TrainingSettings, pseudo_marked, train

DIM = 16
WORDS = {"water sickness": "I50.9", "sugar trouble": "E11.9", "pressure": "I10", "hot spell": "R50.9", "bonk": "R51.9"}
"""What the people of these notes say."""


def hashed(word: str, dim: int = DIM) -> NDArray[np.float32]:
    return np.random.default_rng(crc32(word.lower().encode())).normal(size=dim).astype(np.float32)


def encoder(dim: int = DIM, revision: str = "1") -> TokenEncoder:
    """A token a word, its vector from its letters; a string is the mean of its words."""

    def tokens(
        _: object, texts: Sequence[str], progress: object = None, *, spans: object = None
    ) -> list[TokenEmbeddings]:
        out = []
        for text in texts:
            found = words(text)
            vectors = [hashed(text[a:b], dim) for a, b in zip(found.start_char, found.end_char, strict=True)]
            stacked = np.array(vectors, dtype=np.float32).reshape(-1, dim)
            out.append(TokenEmbeddings(stacked, np.array(found.start_char, int), np.array(found.end_char, int)))
        return out

    def terms(strings: Sequence[str], progress: object = None) -> NDArray[np.float32]:
        return np.stack([np.mean([hashed(word, dim) for word in string.split()], axis=0) for string in strings])

    class Model:
        window = 128

    Model.dim = dim  # type: ignore[attr-defined]
    made = TokenEncoder("invented", revision, "ours", False, dim, Model, terms)  # type: ignore[arg-type]
    kind = type("Hashing", (TokenEncoder,), {"tokens": tokens})
    return kind(**{name: getattr(made, name) for name in TokenEncoder.__dataclass_fields__})  # type: ignore[no-any-return]


@cache
def index(dim: int = DIM) -> ConceptIndex:
    return small_mapper.index(encoder(dim))


@cache
def notes() -> tuple[MarkedNote, ...]:
    """ "Fever" is marked now and then only: the judge has something to learn."""
    rng, out = np.random.default_rng(0), []
    said = list(WORDS)
    for number in range(60):
        first, second = (said[i] for i in rng.permutation(len(said))[:2])
        text = f"Patient {number} has {first} today and also {second}. Fever chart kept."
        spans = [MarkedSpan(text.index(s), text.index(s) + len(s), (WORDS[s],)) for s in (first, second)]
        out.append(MarkedNote(str(number), text, tuple(spans), ()))
    return tuple(out)


@cache
def adapter() -> Adapter:
    return train(index(), encoder(), notes())


def mapper(with_adapter: Adapter | None) -> ConceptMapper:
    return ConceptMapper.load(index(), encoder=encoder(), adapter=with_adapter or ())


def frame(text: str) -> pl.DataFrame:
    return pl.DataFrame({"note_id": ["n"], "text": [text]})


OBO = """format-version: 1.2
data-version: releases/2099-01-01

[Term]
id: DOID:1
name: disease of water
xref: TEST:I50.9

[Term]
id: DOID:2
name: another disease
is_a: DOID:1 ! disease of water
"""
TEXT = "Seen for water sickness and a hot spell. Fever chart kept."


def test_what_was_taught_is_found_with_its_probability() -> None:
    plain, taught = (mapper(one).annotate_many(frame(TEXT)).mentions for one in (None, adapter()))
    assert plain.filter(pl.col("rank") == 1)["text"].to_list() == ["Fever"]
    assert plain["probability"].null_count() == plain.height
    first = taught.filter(pl.col("rank") == 1)
    assert first.select("text", "code").rows() == [("water sickness", "I50.9"), ("hot spell", "R50.9")]
    assert first["probability"].min() > 0.8  # type: ignore[operator]
    assert taught.filter(pl.col("rank") > 1)["probability"].null_count() == taught.filter(pl.col("rank") > 1).height


def test_an_improbable_mention_abstains_and_says_so() -> None:
    results = mapper(adapter()).annotate_many(frame(TEXT), tags=3)
    (row,) = results.mentions.filter(pl.col("rank") == 0).iter_rows(named=True)
    assert (row["text"], row["code"], row["name"], row["evidence"]) == ("Fever", None, None, None)
    assert adapter().judge is not None
    assert row["probability"] < adapter().judge.threshold  # type: ignore[union-attr]
    assert "R50.9" in results.codes["code"].to_list(), "of the hot spell"
    plain = mapper(adapter()).annotate_many(frame("Fever chart kept.")).codes
    assert plain.height == 0, "what abstains does not code"
    assert results.tags.filter((pl.col("text") == "Fever") & pl.col("code").is_not_null()).height == 0


def test_the_page_shows_what_stands() -> None:
    note = mapper(adapter()).annotate(TEXT)
    assert "2 mentions" in repr(note)
    view = NoteView(note.note_id, note.text, note.mentions, note.codes, None, ())
    assert [TEXT[m.start : m.end] for m in mentions_of(view)] == ["water sickness", "hot spell"]


def test_given_spans_are_ranked_by_what_was_taught() -> None:
    spans = pl.DataFrame({"note_id": ["n"], "start_char": [9], "end_char": [23]})
    assert mapper(adapter()).spans(frame(TEXT), spans, k=3)["code"][0] == "I50.9"


def test_without_an_adapter_nothing_changes() -> None:
    before = ConceptMapper((index(),), encoder()).annotate_many(frame(TEXT), tags=2)
    after = mapper(None).annotate_many(frame(TEXT), tags=2)
    assert all(getattr(before, name).equals(getattr(after, name)) for name in ("mentions", "codes", "tags"))


def test_training_is_reproducible_and_survives_the_folder(tmp_path: Path) -> None:
    again = train(index(), encoder(), notes())
    assert again.sha256 == adapter().sha256
    folder = save_adapter(
        again, tmp_path / "a", pages=card_pages(with_facts(again, data="d", licence="l", encoder_licence="e"))
    )
    assert open_adapter(folder).sha256 == again.sha256
    card = (folder / "README.md").read_text()
    assert "with remembered wordings" in card
    assert "Expected calibration error" in card
    assert (folder / "reliability.svg").read_text().startswith("<svg")
    assert json.loads((folder / "manifest.json").read_text())["format"] == "adapter 2"


def test_other_encoders_and_indexes_are_refused() -> None:
    with pytest.raises(IndexMismatchError, match="another encoder: its revision differs: got 2, expected 1"):
        ConceptMapper.load(index(), encoder=encoder(revision="2"), adapter=adapter())
    with pytest.raises(IndexMismatchError, match="no encoder"):
        ConceptMapper.load(index(), encoder=None, adapter=adapter())
    other = ConceptIndex.build(
        replace(small_mapper.ontology(), release="2100"), encoder().terms, encoder_name="invented", revision="1"
    )
    with pytest.raises(IndexMismatchError, match="another index: its release differs: got 2100, expected 2099"):
        ConceptMapper.load(other, encoder=encoder(), adapter=adapter())


def test_tokens_of_another_width_are_taken_to_the_index() -> None:
    rng = np.random.default_rng(5)
    codes = ["I50.9", "E11.9", "I10", "R50.9", "R51.9", "E11.22"]
    wide = ConceptIndex.from_vectors(codes, rng.normal(size=(6, 24)).astype(np.float32), small_mapper.ontology())
    with pytest.raises(IndexMismatchError):
        ConceptMapper.load(wide, encoder=encoder())
    taught = train(wide, encoder(), notes())
    assert taught.matrix is not None
    assert taught.matrix.shape == (DIM, 24)
    both = ConceptMapper.load(wide, encoder=encoder(), adapter=taught)
    spans = pl.DataFrame({"note_id": ["n"], "start_char": [9], "end_char": [23]})
    assert both.spans(frame(TEXT), spans, k=2)["code"][0] == "I50.9"


def test_plain_notes_teach_the_map_alone() -> None:
    plain = pl.DataFrame(
        {"note_id": [str(i) for i in range(30)], "text": ["Fever and headache. High blood pressure."] * 30}
    )
    marked = pseudo_marked(ConceptMapper((index(),), None), plain)
    assert {code for m in marked[0].mentions for code in m.codes} == {"R50.9", "R51.9", "I10"}
    taught = train(index(), encoder(), marked, TrainingSettings(pseudo=True, method="ridge"))
    assert taught.matrix is not None
    assert (taught.judge, taught.memory.names.height) == (None, 0)


def test_notes_marked_in_part_make_nothing_abstain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fever that nobody marks is no counter-example: it stands; a probability is given where it is true."""
    wrong = [replace(note, mentions=tuple(replace(m, codes=("R51.9",)) for m in note.mentions)) for note in notes()[:9]]
    some = [*wrong, *notes()[9:]]

    def page(taught: Adapter) -> str:
        return card_pages(with_facts(taught, data="d", licence="l", encoder_licence="e"))["README.md"]

    monkeypatch.setattr("conceptmap.training.train_judge.MOST_ERROR", 0.0)
    off = train(index(), encoder(), some, TrainingSettings(partly=True))
    assert (off.inside, off.judge, off.card["marked"]) == (None, None, "in part")
    assert "too much to be called a probability" in page(off)
    monkeypatch.setattr("conceptmap.training.train_judge.MOST_ERROR", 1.0)
    judged = train(index(), encoder(), some, TrainingSettings(partly=True))
    assert judged.judge is not None
    assert judged.judge.threshold == 0.0
    assert "none abstains" in page(judged)
    without = train(index(), encoder(), some, TrainingSettings(partly=True, probabilities=False))
    assert without.judge is None
    assert "on notes of this kind: for others it stays empty" in page(without)
    with pytest.raises(InputError, match="without probabilities"):
        TrainingSettings(probabilities=False)
    found = mapper(judged).annotate_many(frame(TEXT)).mentions
    first = found.filter(pl.col("rank") == 1)
    assert first["text"].to_list() == ["water sickness", "hot spell", "Fever"]
    assert first["probability"].null_count() == 0
    assert found.filter(pl.col("rank") == 0).height == 0


def test_a_map_is_stored_in_half_the_bytes_without_changing(tmp_path: Path) -> None:
    folder = save_adapter(adapter(), tmp_path / "a")
    kinds = {name: kind for name, (kind, _, _) in read_tensors(folder / "adapter.safetensors").items()}
    assert (kinds["matrix"], kinds["judge"]) == ("F16", "F64")
    assert np.array_equal(open_adapter(folder).matrix, adapter().matrix)  # type: ignore[arg-type]


def test_nothing_of_the_notes_is_kept_when_asked() -> None:
    taught = train(index(), encoder(), notes(), TrainingSettings(memorise=0))
    assert taught.memory.names.height == 0
    assert taught.memory.seen.height == 0


def test_the_command_trains_and_other_commands_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("conceptmap.encoders.load_encoder", lambda *_, **__: encoder())
    folder = index().save(tmp_path / "index")
    rows = [
        {
            "note_id": note.note_id,
            "text": note.text,
            "mentions": [{"start": m.start_char, "end": m.end_char, "codes": [*m.codes, "X"]} for m in note.mentions],
        }
        for note in notes()
    ]
    marked = tmp_path / "marked.jsonl"
    marked.write_text("\n".join(map(json.dumps, rows)))
    made = ["adapt", str(marked), "--index", str(folder), "-o", str(tmp_path / "adapter"), "--licence", "ours"]
    assert main(made) == 0
    assert "learned from 120 mentions" in capsys.readouterr().err
    assert "licence: ours" in (tmp_path / "adapter" / "README.md").read_text()
    (tmp_path / "notes.csv").write_text(f'note_id,text\nn,"{TEXT}"\n')
    code = ["code", str(tmp_path / "notes.csv"), "-o", str(tmp_path / "out"), "--ontology", str(folder)]
    assert main([*code, "--adapter", str(tmp_path / "adapter")]) == 0
    found = pl.read_csv(tmp_path / "out" / "annotations.csv").filter(pl.col("rank") == 1)
    assert found["code"].to_list() == ["I50.9", "R50.9"]
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["adapters"][0]["sha256"] == open_adapter(tmp_path / "adapter").sha256
    manifest = tmp_path / "adapter" / "manifest.json"
    reseal(manifest.parent, lambda value: value["fit"].update(release="2098"))
    capsys.readouterr()
    assert main([*code, "--adapter", str(tmp_path / "adapter")]) == 4
    assert "another index: its release differs" in capsys.readouterr().err
    (tmp_path / "other.obo").write_text(OBO)
    spoken = marked.read_text().replace('"I50.9", "X"', '"DOID:1"')
    (tmp_path / "spoken.jsonl").write_text(spoken)
    over = ["adapt", str(tmp_path / "spoken.jsonl"), "--index", str(folder), "-o", str(tmp_path / "c")]
    assert main([*over, "--over", str(tmp_path / "other.obo"), "--partly"]) == 0
    assert "learned from 120 mentions" in capsys.readouterr().err
    assert open_adapter(tmp_path / "c").memory.names.filter(forms="water sickness")["code"].to_list() == ["I50.9"]
    assert main(["adapt", "--notes", "n.csv", "--partly", "-o", str(tmp_path / "b")]) == 2
    assert main(["adapt", "-o", str(tmp_path / "b")]) == 2
    assert main(["adapt", str(marked), "-o", str(tmp_path / "b"), "--encoder", "none"]) == 2
    assert main(["adapt", str(marked), "-o", str(tmp_path / "b"), "--index", str(tmp_path / "nothing")]) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"method": "magic"}, "method is unknown"), ({"memorise": -1}, "too small"), ({"read_chars": 0}, "too small")],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingSettings(**settings)  # type: ignore[arg-type]


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="too little to learn from: got 6 mentions in 3 notes, 0 left out"):
        train(index(), encoder(), notes()[:3])
    with pytest.raises(InputError, match="lexical index"):
        train(small_mapper.index(), encoder(), notes())
