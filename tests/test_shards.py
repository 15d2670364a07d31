"""Shards: where the notes are cut, what their names depend on, and that no damaged one is taken for a whole one."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_mapper import mapper
from test_batch import random_note

from conceptmap.batch.coded import SCHEMAS, pack, unpack
from conceptmap.batch.settings import Asked, Part
from conceptmap.batch.shards import SHARD_CHARS, SHARD_NOTES, cut, run_key, shard_notes
from conceptmap.batch.work import code_shard
from conceptmap.errors import DamagedShardError, InputError
from conceptmap.notes.notes import read_notes

ASKED = Asked((), 0, 3)


def notes_file(folder: Path, texts: list[str], **columns: list[str]) -> Path:
    path = folder / "notes.parquet"
    pl.DataFrame({"note_id": [f"n{at}" for at in range(len(texts))], "text": texts, **columns}).write_parquet(path)
    return path


def keys(path: Path, run: str = "run") -> list[str]:
    return [shard.key for shard in cut(read_notes(path), run)]


def test_a_name_depends_on_the_notes_and_on_nothing_else(tmp_path: Path) -> None:
    texts = [f"fever {at}" for at in range(50)]
    before = keys(notes_file(tmp_path, texts))
    assert len(before) == len(set(before)) == 4
    assert keys(notes_file(tmp_path, texts)) == before
    after = keys(notes_file(tmp_path, [*texts[:20], "headache", *texts[21:]]))
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True, True]
    assert not set(before) & set(keys(notes_file(tmp_path, texts), run="another"))
    assert not set(before) & set(keys(notes_file(tmp_path, texts, ward=["3B"] * 50)))


def test_any_setting_that_changes_a_shard_changes_the_name_of_the_run() -> None:
    asked = [ASKED, Asked(("negated",), 0, 3), Asked((), 3, 3), Asked((), 0, 4)]
    names = {run_key(mapper(), one, precision) for one in asked for precision in ({}, {"device": "cuda"})}
    assert len(names) == 8
    assert run_key(mapper(), ASKED, {}) == run_key(mapper(), ASKED, {})


@given(st.integers(0, 5_000_000))
def test_shards_are_neither_too_large_nor_too_few(n_notes: int) -> None:
    assert 1 <= shard_notes(n_notes) <= SHARD_NOTES
    assert n_notes < 512 or n_notes / shard_notes(n_notes) >= 31


def test_long_notes_make_shards_of_their_own(tmp_path: Path) -> None:
    texts = ["x" * (SHARD_CHARS // 2), "y" * (SHARD_CHARS // 2), "z", "w" * (SHARD_CHARS + 1), "v"]
    shards = list(cut(read_notes(notes_file(tmp_path, texts)), "run"))
    assert [shard.notes["note_id"].to_list() for shard in shards] == [["n0", "n1"], ["n2"], ["n3"], ["n4"]]


@given(st.integers(1, 40), st.integers(0, 300))
def test_every_shard_belongs_to_one_part(of: int, shard: int) -> None:
    assert sum(Part(number, of).holds(shard) for number in range(1, of + 1)) == 1


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/5", "1.5/2", "²/3"])
def test_parts_that_there_are_not(text: str) -> None:
    with pytest.raises(InputError, match="must name a part"):
        Part.read(text)


# -- the bytes of a shard ---------------------------------------------------------------------------------------------


def a_shard() -> tuple[bytes, list[str]]:
    rng = random.Random(3)
    texts = [random_note(rng) for _ in range(20)]
    notes = pl.DataFrame({"note_id": [f"n{at}" for at in range(20)], "text": texts})
    return pack(code_shard(notes, mapper(), ASKED), "key"), notes["note_id"].to_list()


def test_what_is_packed_comes_out_and_twice_the_same() -> None:
    content, note_ids = a_shard()
    assert a_shard()[0] == content
    coded = unpack(content, "key", note_ids)
    assert coded.notes == 20
    assert coded.results.mentions.height > 20
    for name, schema in SCHEMAS.items():
        assert getattr(coded.results, name).schema == schema
    assert pack(coded, "key") == content


def test_every_truncation_and_every_flipped_bit_is_noticed() -> None:
    content, note_ids = a_shard()
    rng = random.Random(4)
    damaged = [content[: rng.randrange(len(content))] for _ in range(100)]
    for _ in range(400):
        at, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        damaged.append(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
    for wrong in damaged:
        with pytest.raises(DamagedShardError):
            unpack(wrong, "key", note_ids)


def test_a_shard_of_other_notes_or_another_name_is_refused() -> None:
    content, note_ids = a_shard()
    for key, ids, message in (
        ("other", note_ids, "another key"),
        ("key", note_ids[:-1], "another number of notes"),
        ("key", [*note_ids[:-1], "stranger"], "rows of other notes"),
    ):
        with pytest.raises(DamagedShardError, match=message):
            unpack(content, key, ids)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedShardError):
        unpack(content, "key", [])
