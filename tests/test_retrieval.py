"""Note search: kept, resumed, changed and damaged indexes; every score explained; the way from the shell."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import small_mapper
from numpy.typing import NDArray
from oracles import maxsim_oracle
from tiny_models import make

import conceptmap as cm
from conceptmap.cli import main
from conceptmap.errors import IndexMismatchError, InputError, UnknownCodeError
from conceptmap.retrieval import indexing
from conceptmap.retrieval.search import NoteSearch
from conceptmap.retrieval.why import WHY

NOTES = {
    "a": "Fever since Monday. No cough.",
    "b": "Fracture of the left femur after a fall. Pain.",
    "c": "Congestive heart failure.\n\nLegs are swollen. Type 2 diabetes.",
    "d": "He denies heart failure and headache.",
}


def words(texts: Sequence[str]) -> NDArray[np.float32]:
    """A vector for each string, by its letters: an encoder that costs nothing."""
    rows = np.zeros((len(texts), 32), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for place, letter in enumerate(text.casefold()):
            row[ord(letter) % 32] += 1 / (1 + place)
    return rows


def counting() -> tuple[Callable[[Sequence[str]], NDArray[np.float32]], list[str]]:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return words(texts)

    encode.__name__ = words.__name__
    return encode, asked


def state(search: NoteSearch) -> dict[str, list[tuple[str, float]]]:
    """What a few queries find."""
    return {
        query: search.search(query, 9).hits.select("note_id", pl.col("score").round(6)).rows()
        for query in ("fever", "broken femur", "swollen legs")
    }


def test_answers_equal_the_oracle_and_their_parts_add_up(tmp_path: Path) -> None:
    search = NoteSearch.index(NOTES, tmp_path / "index", encoder=words, passage_tokens=6)
    (segment,) = search.collection.segments
    found = search.search("swollen left leg", 10)
    asked = found.tokens.vectors
    scores, passages, _ = maxsim_oracle(asked, segment.vectors, segment.edges, groups=segment.note_of)
    expected = [segment.notes["note_id"][int(segment.note_of[passage])] for passage in passages]
    assert found.hits["note_id"].to_list() == expected
    assert found.hits["score"].to_list() == scores.tolist()
    summed = found.matches.group_by("rank", maintain_order=True).agg(pl.col("score").sum())
    assert summed["score"].to_list() == pytest.approx(scores.tolist(), abs=1e-12)
    for row in found.hits.iter_rows(named=True):
        assert NOTES[row["note_id"]][row["start_char"] : row["end_char"]] == row["passage"]
    for row in found.matches.iter_rows(named=True):
        assert NOTES[row["note_id"]][row["start_char"] : row["end_char"]] == row["note_token"]


def test_candidates_are_reranked(tmp_path: Path) -> None:
    search = NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    all_of_them = search.search("swollen legs", 4).hits
    some = search.rerank("swollen legs", ["d", "a", "c"]).hits
    kept = all_of_them.filter(pl.col("note_id") != "b")
    assert some.drop("rank").rows() == kept.drop("rank").rows()
    assert search.rerank("swollen legs", ["d", "a", "c"], 1).hits.height == 1
    with pytest.raises(InputError, match="1 of these notes are not in the index"):
        search.rerank("legs", ["a", "z"])


def test_only_what_is_new_or_changed_is_encoded(tmp_path: Path) -> None:
    encode, asked = counting()
    once = NoteSearch.index(NOTES, tmp_path / "index", encoder=encode)
    del asked[:]
    again = NoteSearch.index(NOTES, tmp_path / "index", encoder=encode)
    assert "femur" not in asked, "nothing is encoded twice"
    assert state(once) == state(again)
    changed = {**NOTES, "a": "Fever is gone.", "e": "Asthma."}
    del changed["b"]
    del asked[:]
    updated = NoteSearch.index(changed, tmp_path / "index", encoder=encode)
    assert "gone" in asked
    assert "Congestive" not in asked
    assert state(updated) == state(NoteSearch.index(changed, tmp_path / "anew", encoder=words))
    held = b"".join(path.read_bytes() for path in (tmp_path / "index").rglob("*") if path.is_file())
    assert b"femur" not in held, "nothing of a removed note stays"
    assert [segment.notes["note_id"].to_list() for segment in updated.collection.segments] == [["c", "d"], ["a", "e"]]
    kept = NoteSearch.index({"f": "Gout."}, tmp_path / "index", encoder=encode, keep_others=True)
    assert sorted(kept.collection.places) == ["a", "c", "d", "e", "f"]
    assert sorted(kept.remove(["a", "f"]).collection.places) == ["c", "d", "e"]
    assert sorted(NoteSearch.open(tmp_path / "index", encoder=words).collection.places) == ["c", "d", "e"]


def test_many_small_segments_become_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: dict[str, str] = {}
    monkeypatch.setattr(indexing, "MANY", 3)
    for name, text in NOTES.items():
        notes[name] = text
        search = NoteSearch.index(notes, tmp_path / "index", encoder=words)
    assert len(search.collection.segments) == 1
    assert state(search) == state(NoteSearch.index(NOTES, tmp_path / "anew", encoder=words))


@pytest.mark.parametrize("at", range(1, 15))
def test_a_killed_process_loses_no_whole_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Killed before any of its writes: what was committed counts, the rest is encoded again, nothing is left over."""
    from conceptmap import files
    from conceptmap.index import files as indexfiles

    class Killed(BaseException):
        pass

    writes = [0]

    def killing(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any, **named: Any) -> Any:
            writes[0] += 1
            if writes[0] == at:
                raise Killed
            return real(*given, **named)

        return write

    monkeypatch.setattr(indexing, "SEGMENT_ROWS", 1)
    monkeypatch.setattr(indexing, "batches", lambda pairs: (([name], [text]) for name, text in pairs))
    with monkeypatch.context() as patch:
        patch.setattr(indexfiles, "write_tensors", killing(indexfiles.write_tensors))
        patch.setattr(indexfiles, "_replace_folder", killing(indexfiles._replace_folder))
        patch.setattr(files, "publish", killing(files.publish))
        patch.setattr("shutil.rmtree", lambda *given, **named: None)  # a killed process clears nothing away
        with pytest.raises(Killed):
            NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    encode, asked = counting()
    search = NoteSearch.index(NOTES, tmp_path / "index", encoder=encode)
    whole = (at - 2) // 4 if at > 1 else 0  # the manifest first, then four writes a segment
    names = [name for name, text in NOTES.items() if text.split()[0] not in asked]
    assert names == list(NOTES)[: max(0, whole)]
    assert state(search) == state(NoteSearch.index(NOTES, tmp_path / "anew", encoder=words))
    listed = {segment.folder.name for segment in search.collection.segments}
    assert {path.name for path in (tmp_path / "index").iterdir()} == listed | {"manifest.json", ".lock"}


@pytest.mark.parametrize(
    "name", ["manifest.json", "rows.safetensors", "notes.parquet", "texts.parquet", "encodings.safetensors"]
)
def test_a_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    path = tmp_path / "index" / "segment-000001" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(IndexMismatchError, match="damaged"):
        len(NoteSearch.open(tmp_path / "index", encoder=words).search("fever", stage="muvera").hits)
    again = NoteSearch.index(NOTES, tmp_path / "index", encoder=words, overwrite=True)
    assert again.collection.n_notes == len(NOTES)


@pytest.mark.parametrize("fault", ["no segment", "other manifest", "cut manifest", "other format"])
def test_a_damaged_index_is_refused_and_kept(tmp_path: Path, fault: str) -> None:
    NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    manifest = tmp_path / "index" / "manifest.json"
    value = json.loads(manifest.read_text())
    if fault == "no segment":
        (tmp_path / "index" / "segment-000001").rename(tmp_path / "elsewhere")
    elif fault == "other manifest":
        manifest.write_text(json.dumps({**value, "segments": {}}, indent=2) + "\n")
    elif fault == "cut manifest":
        manifest.write_text(manifest.read_text()[:-20])
    else:
        manifest.write_text(json.dumps({**value, "format": 99}) + "\n")
    before = sorted(path.name for path in (tmp_path / "index").rglob("*"))
    with pytest.raises(IndexMismatchError):
        NoteSearch.open(tmp_path / "index", encoder=words)
    with pytest.raises(IndexMismatchError):
        NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    assert sorted(path.name for path in (tmp_path / "index").rglob("*")) == before


def test_what_others_keep_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="no note index"):
            NoteSearch.index(NOTES, tmp_path / "mine", encoder=words, overwrite=overwrite)
    search = NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    own = tmp_path / "index" / "segment-000007"
    own.mkdir()
    (own / "texts.parquet").write_text("somebody's")
    search.remove(["a"])
    assert (own / "texts.parquet").read_text() == "somebody's"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_an_index_is_for_its_owners_eyes(tmp_path: Path) -> None:
    NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    for path in [tmp_path / "index", *(tmp_path / "index").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name


def test_an_index_of_another_encoder_is_refused(tmp_path: Path) -> None:
    NoteSearch.index(NOTES, tmp_path / "index", encoder=words)
    with pytest.raises(IndexMismatchError, match="another encoder"):
        NoteSearch.open(tmp_path / "index", encoder=lambda texts: words(texts) + 1)
    with pytest.raises(IndexMismatchError, match="made otherwise"):
        NoteSearch.index(NOTES, tmp_path / "index", encoder=words, passage_tokens=7)
    other = NoteSearch.index(NOTES, tmp_path / "index", encoder=words, passage_tokens=7, overwrite=True)
    assert other.collection.facts.passage_tokens == 7


def test_notes_without_a_word_and_notes_twice(tmp_path: Path) -> None:
    search = NoteSearch.index({**NOTES, "e": "", "f": " -- \n"}, encoder=words)
    assert sorted(search.collection.places) == sorted(NOTES)
    assert NoteSearch.index([], encoder=words).search("fever").hits.height == 0
    with pytest.raises(InputError, match="the same id: got a"):
        NoteSearch.index([("a", "Fever."), ("a", "Cough.")], encoder=words)
    with pytest.raises(InputError, match="nothing to look for"):
        search.search(" - ")
    with pytest.raises(InputError, match="k must be"):
        search.search("fever", 0)


@pytest.mark.parametrize("kind", ["projected", "passages"])
def test_other_kinds_of_vectors(tmp_path: Path, kind: Any) -> None:
    family = {"projected": "pylate-bert", "passages": "sentence-bert-cls"}[kind]
    folder = make(tmp_path / family, family)
    search = NoteSearch.index(
        NOTES, tmp_path / "index", encoder=folder, vectors=kind, passage_tokens=8, dtype="float32"
    )
    assert (search.collection.facts.kind, search.collection.facts.dim) == (kind, {"projected": 16}.get(kind, 32))
    found = search.search("Fever since Monday.", 4)
    assert len(found) == 4
    assert found.matches.height == 4 * {"projected": 32, "passages": 1}[kind]
    assert found.hits["score"].is_sorted(descending=True)
    if kind == "passages":
        from sentence_transformers import SentenceTransformer

        library = SentenceTransformer(str(folder), device="cpu")
        left, right = (
            library.encode(["Fever since Monday.", *found.hits["passage"]])[[0]],
            library.encode(found.hits["passage"].to_list()),
        )
        expected = (left @ right.T)[0] / np.linalg.norm(left) / np.linalg.norm(right, axis=1)
        assert found.hits["score"].to_list() == pytest.approx(expected.tolist(), abs=2e-3)
    reopened = NoteSearch.open(tmp_path / "index", encoder=folder, dtype="float32")
    assert state(reopened) == state(search)
    with pytest.raises(InputError, match="no such kind"):
        NoteSearch.index(NOTES, encoder=folder, vectors="pages")  # type: ignore[arg-type]


def test_an_encoder_without_a_projection_says_so() -> None:
    with pytest.raises(InputError, match="no projection"):
        NoteSearch.index(NOTES, encoder="embedded", vectors="projected")


def test_a_note_longer_than_the_models_documents_loses_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "pylate-bert")
    long = " ".join(f"Day {day}: pain, fever and cough (see above);" for day in range(40))
    search = NoteSearch.index({"a": long}, encoder=folder)
    (segment,) = search.collection.segments
    spans = segment.spans.tolist()
    assert len(spans) > 5
    assert "".join(long[a:b] for a, b in spans).replace(" ", "") == long.replace(" ", "")


def test_why_names_the_concepts_of_both_sides() -> None:
    search = NoteSearch.index(NOTES, encoder=words, mapper=small_mapper.mapper())
    found = search.rerank("cardiac failure", ["c", "d"])
    explained = search.why(found)
    assert explained.schema == WHY
    row = explained.row(by_predicate=(pl.col("note_id") == "c") & (pl.col("note_token") == "failure"), named=True)
    assert (row["query_concepts"], row["shared"], row["ancestor"]) == ("test:I50.9", "test:I50.9", "test:I50.9")
    assert row["ancestor_name"] == "Heart failure, unspecified"
    denied = explained.filter((pl.col("note_id") == "d") & (pl.col("note_token") == "failure"))
    assert denied["negated"].to_list() == [True]
    assert search.why(found, 1)["rank"].unique().to_list() == [1]
    with pytest.raises(InputError, match="no note has this rank"):
        search.why(found, 3)


def test_why_names_the_lowest_common_ancestor() -> None:
    """Hypertension and heart failure meet in their chapter; diabetes shares nothing with them."""
    search = NoteSearch.index(
        {"x": "Heart failure.", "y": "Type 2 diabetes."}, encoder=words, mapper=small_mapper.mapper()
    )
    explained = search.why(search.search("hypertension"))
    assert dict(explained.select("note_id", "ancestor").rows()) == {"x": "test:9", "y": None}
    assert set(explained["shared"]) == {None}


def test_codes_are_queries_by_their_wordings() -> None:
    search = NoteSearch.index(NOTES, encoder=words, mapper=small_mapper.mapper())
    by_code = search.search(codes=["test:I50.9"])
    assert by_code.query == "Heart failure"
    both = search.search("swollen legs", codes=["I50.9", "R50.9"])
    assert both.query == "Heart failure, Fever, swollen legs"
    assert both.codes == (((0, 13), "test:I50.9"), ((15, 20), "test:R50.9"))
    explained = search.why(both, 1)
    fever = explained.filter(pl.col("query_token") == "Fever")["query_concepts"].item()
    assert fever.split("; ")[0] == "test:R50.9"
    with pytest.raises(UnknownCodeError):
        search.search(codes=["I99.9"])
    with pytest.raises(InputError, match="no index of this system"):
        search.search(codes=["snomedct:1"])
    with pytest.raises(InputError, match="no mapper"):
        NoteSearch.index(NOTES, encoder=words).search(codes=["I50.9"])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame({"note_id": list(NOTES), "text": list(NOTES.values())}).write_csv(tmp_path / "notes.csv")
    folder = make(tmp_path / "model", "sentence-bert-cls")
    own = ["--notes", str(tmp_path / "notes.csv"), "--index", str(tmp_path / "index"), "--encoder", str(folder)]
    assert main(["search", *own]) == 0
    assert "4 notes indexed" in capsys.readouterr().err
    kept = ["search", "heart failure", *own[2:], "-k", "2"]
    assert main([*kept, "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert [hit["rank"] for hit in hits] == [1, 2]
    page, table = tmp_path / "found.html", tmp_path / "why.csv"
    assert main([*kept, "--why", "--html", str(page), "-o", str(table)]) == 0
    explained = pl.read_csv(table)
    assert explained["score"].sum() == pytest.approx(sum(hit["score"] for hit in hits))
    assert "ancestor_name" in explained.columns
    assert "<mark" in page.read_text()
    assert "<script" not in page.read_text()
    assert main([*kept, "--why"]) == 0
    assert "both stand for" in capsys.readouterr().out
    pl.DataFrame({"note_id": ["d"]}).write_csv(tmp_path / "candidates.csv")
    assert main([*kept, "--rerank", str(tmp_path / "candidates.csv"), "--json"]) == 0
    assert [hit["note_id"] for hit in json.loads(capsys.readouterr().out)] == ["d"]
    assert main([*kept, "--html", str(page)]) == 2
    assert main(["search", "fever"]) == 2
    assert main(["search", *own[:2]]) == 2
    assert "fever" not in capsys.readouterr().err


def test_a_page_escapes_what_it_is_given() -> None:
    from conceptmap.retrieval.page import found_page

    search = NoteSearch.index({"<b>1": "<script>alert(1)</script> fever & chills"}, encoder=words)
    found = search.search("<i>fever</i>")
    page = found_page(found.hits, found.matches, title=found.query, facts=["<u>"])
    assert "<script>alert" not in page
    assert "&lt;i&gt;fever" in page
    assert "&lt;b&gt;1" in page
    assert page.count("<mark") >= 1


def test_the_name_is_public() -> None:
    assert cm.NoteSearch is NoteSearch
