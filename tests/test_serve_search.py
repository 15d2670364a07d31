"""Notes of an index over the API: what is found and why, whom it refuses, and indexes that are not taken."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coded_mapper import full_mapper
from small_mapper import mapper
from starlette.testclient import TestClient
from tiny_models import make

from conceptmap.cli import main
from conceptmap.retrieval.search import NoteSearch
from conceptmap.serve import finding
from conceptmap.serve.app import make_app
from conceptmap.serve.guard import Admission

NOTES = {
    "a": "Fever \U0001f600 since Monday. No cough.",
    "b": "He denies hypertension.",
    "c": "<script>alert(1)</script> Fracture of the left femur.",
}
OURS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def search() -> NoteSearch:
    return NoteSearch.index(NOTES, encoder=full_mapper().encoder or "embedded", mapper=full_mapper())


@pytest.fixture(scope="module")
def client(search: NoteSearch) -> Iterator[TestClient]:
    with TestClient(make_app(full_mapper(), search=search), base_url=OURS) as one:
        yield one


def asked(client: TestClient, body: object, path: str = "/api/search-notes") -> Any:
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_notes_are_found_and_their_parts_add_up(client: TestClient, search: NoteSearch) -> None:
    found = asked(client, {"query": "high blood pressure", "k": 2})
    assert found["query"] == "high blood pressure"
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    best = found["hits"][0]
    assert best["note_id"] == "b"
    for hit in found["hits"]:
        text = asked(client, {"note_id": hit["note_id"]}, "/api/indexed-note")["text"]
        assert text == NOTES[hit["note_id"]]
        assert text[hit["start"] : hit["end"]] == hit["passage"]
        assert math.fsum(part["score"] for part in hit["parts"]) == pytest.approx(hit["score"], abs=1e-12)
        assert all(text[part["start"] : part["end"]] == part["note_token"] for part in hit["parts"])
        assert [part["query_token"] for part in hit["parts"]] == ["high", "blood", "pressure"]
    named = [part for part in best["parts"] if part["ancestor"]]
    assert named
    for part in named:
        assert (part["ancestor"], part["negated"]) == ("icd10:I10", True)
        assert "icd10:I10" in part["shared"]
        assert part["ancestor_name"] == "Essential (primary) hypertension"
    scores = search.search("high blood pressure", 2).hits["score"].to_list()
    assert [hit["score"] for hit in found["hits"]] == scores
    assert client.get("/api/health").json()["note_search"] is True


def test_codes_alone_and_beside_words(client: TestClient) -> None:
    found = asked(client, {"codes": ["icd10:R50.9"]})
    assert (found["query"], found["hits"][0]["note_id"]) == ("Fever", "a")
    assert asked(client, {"query": "femur", "codes": ["I10"]})["query"].endswith(", femur")


def test_notes_that_mention_a_code_in_whatever_way_or_affirmed(client: TestClient) -> None:
    wanted = {"query": "blood pressure", "concepts": ["I10"]}
    assert [hit["note_id"] for hit in asked(client, wanted)["hits"]] == ["b"]
    assert asked(client, wanted | {"affirmed": True})["hits"] == []
    assert [hit["note_id"] for hit in asked(client, wanted | {"concepts": ["R50.9"]})["hits"]] == ["a"]


def test_notes_by_words_and_by_both(client: TestClient) -> None:
    pytest.importorskip("bm25s")
    (hit,) = asked(client, {"query": "hypertension", "by": "words"})["hits"]
    assert (hit["note_id"], hit["words"] > 0, hit["fused"]) == ("b", True, None)
    found = asked(client, {"query": "hypertension", "by": "both"})["hits"]
    assert (found[0]["note_id"], len(found), found[0]["fused"]) == ("b", 3, pytest.approx(2 / 61))


def test_answers_hold_what_the_description_says(client: TestClient) -> None:
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    found = asked(client, {"query": "fever"})
    (hit, *_) = found["hits"]
    for name, value in (("FoundNotes", found), ("Hit", hit), ("Part", hit["parts"][0])):
        assert set(schemas[name]["properties"]) == set(value)
    assert set(schemas["Health"]["properties"]) == set(client.get("/api/health").json())


BODIES: list[tuple[object, str]] = [
    ({}, "the text is empty"),
    ({"query": 7}, "query is no string"),
    ({"query": "a" * 10_001}, "query is too long"),
    ({"query": "\ud800"}, "half a character"),
    ({"query": " - "}, "nothing to look for"),
    ({"query": "fever", "k": 51}, "k is no number of notes"),
    ({"query": "fever", "codes": "I10"}, "no list"),
    ({"query": "fever", "codes": [7]}, "a code is no string"),
    ({"query": "fever", "codes": ["Z99.99"]}, "Z99.99"),
    ({"query": "fever", "concepts": ["Z99.99"]}, "Z99.99"),
    ({"query": "fever", "concepts": [""]}, "the text is empty"),
    ({"query": "fever", "by": "magic"}, "by is no way to search"),
]


@pytest.mark.parametrize(("body", "said"), BODIES)
def test_a_bad_request_is_told_in_words(body: object, said: str, client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    reply = client.post("/api/search-notes", content=json.dumps(body).encode(), headers=headers)
    assert reply.status_code == 400
    assert said in reply.json()["error"]


def test_no_note_and_no_index(client: TestClient) -> None:
    for body, said in (({"note_id": "z"}, "no such note"), ({}, "note_id is no string")):
        reply = client.post("/api/indexed-note", json=body)
        assert (reply.status_code, said in reply.json()["error"]) == (400, True)
    with TestClient(make_app(mapper()), base_url=OURS) as without:
        assert without.get("/api/health").json()["note_search"] is False
        for path, asks in (("/api/search-notes", {"query": "fever"}), ("/api/indexed-note", {"note_id": "a"})):
            reply = without.post(path, json=asks)
            assert reply.status_code == 400
            assert "--notes-index" in reply.json()["error"]


@pytest.mark.parametrize("path", ["/api/search-notes", "/api/indexed-note"])
def test_the_guards_stand_before_it(path: str, search: NoteSearch) -> None:
    body = json.dumps({"query": "fever", "note_id": "a"}).encode()
    ours = {"Content-Type": "application/json", "Authorization": "Bearer s3cret"}
    refused: list[tuple[dict[str, str], int]] = [
        ({}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Authorization": "Bearer wrong"}, 401),
    ]
    access = Admission(token="s3cret", body_bytes=1_000)
    with TestClient(make_app(full_mapper(), access, search), base_url=OURS) as client:
        for more, status in refused:
            assert client.post(path, content=body, headers=ours | more).status_code == status, more
        assert client.post(path, content=body.ljust(1_001), headers=ours).status_code == 413
        assert client.get(path, headers=ours).status_code == 405


def test_nothing_of_a_query_or_a_note_is_told_when_something_breaks(
    search: NoteSearch,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def breaks(_search: object, query: str, **_: object) -> None:
        raise ValueError(query)

    monkeypatch.setattr(finding, "found_notes", breaks)
    with caplog.at_level(logging.DEBUG), TestClient(make_app(mapper(), search=search), base_url=OURS) as client:
        reply = client.post("/api/search-notes", json={"query": "canary"})
    assert (reply.status_code, reply.json()["error"]) == (500, "internal error: ValueError")
    assert "canary" not in caplog.text + "".join(capfd.readouterr())


def test_a_search_that_takes_too_long_is_given_up(search: NoteSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(finding, "found_notes", lambda *_, **__: free.wait(10))
    app = make_app(mapper(), Admission(seconds=0.2), search)
    with TestClient(app, base_url=OURS) as client:
        reply = client.post("/api/search-notes", json={"query": "fever"})
        free.set()
    assert reply.status_code == 503
    assert "no answer within 0.2 s" in reply.json()["error"]


def test_markup_comes_back_as_json_alone(client: TestClient) -> None:
    reply = client.post("/api/search-notes", json={"query": "<script>alert(1)</script> femur"})
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["hits"][0]["passage"] == NOTES["c"]


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["missing", "manifest.json", "rows.safetensors", "texts.parquet"])
def test_a_missing_or_damaged_index_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    if what != "missing":
        NoteSearch.index(NOTES, tmp_path / "index", encoder="embedded")
        (path, *_) = sorted((tmp_path / "index").rglob(what), key=lambda one: len(one.parts))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert main(["serve", "--port", "8765", "--notes-index", str(tmp_path / "index")]) == 4
    said = capfd.readouterr().err
    assert ("is not a note index" if what == "missing" else f"{what} is damaged") in said
    assert "Fever" not in said


def test_the_command_opens_an_index_with_its_own_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    apps: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, **_: apps.append(server.config.app))
    folder = make(tmp_path / "model", "sentence-bert-cls")
    NoteSearch.index(NOTES, tmp_path / "index", encoder=folder, vectors="passages")
    own = ["serve", "--fast", "--port", "8765", "--notes-index", str(tmp_path / "index")]
    assert main([*own, "--notes-encoder", str(folder)]) == 0
    assert "3 notes to search" in capfd.readouterr().err
    with TestClient(apps[0], base_url="http://127.0.0.1:8765") as client:
        assert len(asked(client, {"query": "fever"})["hits"]) == 3
    assert main([*own, "--notes-encoder", "embedded"]) == 4
    assert "another encoder" in capfd.readouterr().err
    assert main(["serve", "--port", "8765", "--notes-encoder", "embedded"]) == 2
    assert "--notes-index INDEX" in capfd.readouterr().err
