"""The API under the page: what it answers, whom it refuses, and that nothing of a note is told or kept."""

from __future__ import annotations

import io
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from coded_mapper import full_mapper
from small_mapper import mapper
from starlette.testclient import TestClient

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.serve import answers
from conceptmap.serve.app import AT_ONCE, make_app
from conceptmap.serve.guard import Admission

TEXT = "No fever. Known hypertension \U0001f600; mother had heart failure."
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</textarea><svg onload=alert(1)>",
    "{{7*7}}{% raw %}",
]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(make_app(full_mapper()), base_url="http://127.0.0.1:8000") as one:
        yield one


def asked(client: TestClient, path: str, body: object) -> Any:
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_note_is_explained_with_offsets_in_code_points(client: TestClient) -> None:
    found = asked(client, "/api/annotate", {"text": TEXT, "k": 3})
    by_text = {mention["text"]: mention for mention in found["mentions"]}
    assert by_text["fever"]["negated"]
    assert by_text["heart failure"]["subject"] == "family"
    for mention in found["mentions"]:
        assert TEXT[mention["start"] : mention["end"]] == mention["text"]
        confidences = [concept["confidence"] for concept in mention["concepts"]]
        assert confidences == sorted(confidences, reverse=True)
    (code,) = [code for code in found["codes"] if code["code"] == "I10"]
    assert code["evidence"] == [by_text["hypertension"]["id"]]
    assert code["text"] == "hypertension"
    assert {word["start"] for word in found["words"]} >= {TEXT.index("fever"), TEXT.index("hypertension")}


def test_tags_nearest_and_concepts(client: TestClient) -> None:
    assert asked(client, "/api/tag", {"text": "hypertension"})["words"][0]["concepts"][0]["code"] == "I10"
    tokens = asked(client, "/api/nearest", {"text": "hypertension", "k": 2})["tokens"]
    assert "".join(token["text"] for token in tokens) == "hypertension"
    assert all(len(token["concepts"]) == 2 for token in tokens)
    concept = client.get("/api/concepts/icd10/I10").json()
    assert concept["code"] == "I10"
    assert concept["path"]
    assert client.get("/api/concepts/icd10/Z99.99").status_code == 400
    assert "no such system" in client.get("/api/concepts/nowhere/I10").json()["error"]


def test_concepts_are_found_by_name_synonym_and_code(client: TestClient) -> None:
    for query in ("hypertension", "high blood pressure", "I10"):
        assert client.get("/api/search", params={"q": query}).json()["concepts"][0]["code"] == "I10"
    assert client.get("/api/search").status_code == 400


def test_several_notes_are_streamed_and_a_bad_one_costs_itself_alone(client: TestClient) -> None:
    notes = [{"note_id": "a", "text": "Fever."}, {"note_id": "b", "text": "Hypertension."}]
    reply = client.post("/api/annotate", json={"notes": notes})
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [line["note_id"] for line in lines] == ["a", "b"]
    assert lines[1]["codes"][0]["code"] == "I10"


def test_files_are_read_as_notes(client: TestClient) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    files = {
        "ward.csv": b"note_id;text\n7;Fever.\n",
        "ward.jsonl": b'{"note_id": "7", "text": "Fever."}\n',
        "7.txt": b"Fever.",
    }
    for name, data in files.items():
        reply = client.post("/api/notes", params={"name": name}, content=data, headers=octets)
        assert [json.loads(line) for line in reply.text.splitlines()] == [{"note_id": "7", "text": "Fever."}]
    reply = client.post("/api/notes", params={"name": "../../etc/x.csv"}, content=b"a,b\n1,2\n", headers=octets)
    assert reply.status_code == 400
    assert "lacks the columns" in reply.json()["error"]


def test_reviewed_notes_come_back_as_a_table_and_as_a_workbook(client: TestClient) -> None:
    found = asked(client, "/api/annotate", {"text": TEXT, "note_id": "7"})
    codes = [{**code, "accept": "yes" if code["code"] == "I10" else "no"} for code in found["codes"]]
    added = {"system": "icd10", "code": "X1", "name": "=1+1", "role": "", "text": "", "accept": "yes", "spans": ""}
    notes = [{**found, "codes": [*codes, added]}]
    table = client.post("/api/csv", json={"notes": notes})
    assert table.headers["content-type"].startswith("text/csv")
    frame = pl.read_csv(io.BytesIO(table.content), infer_schema=False)
    assert frame.columns == ["note_id", "system", "code", "name", "role", "accept", "text", "spans"]
    assert {row["code"]: row["accept"] for row in frame.to_dicts()} == {"I10": "yes", "X1": "yes"}
    book = io.BytesIO(client.post("/api/workbook", json={"notes": notes}).content)
    sheets = pl.read_excel(book, sheet_id=0, infer_schema_length=0)
    assert list(sheets) == ["Codes", "Mentions", "Notes"]
    assert sheets["Notes"]["text"].to_list() == [TEXT]
    assert {mention["id"] for mention in found["mentions"]} == {*sheets["Mentions"]["mention_id"]}
    assert dict(sheets["Codes"].select("code", "Accept").iter_rows())["I10"] == "yes"


@pytest.mark.parametrize(
    "notes",
    [[7], [{}], [{"note_id": "a", "text": "secret", "mentions": [], "codes": [{"code": "I10"}]}],
     [{"note_id": "a", "text": "secret", "mentions": [{"concepts": [{}]}], "codes": []}]],
)  # fmt: skip
def test_what_was_not_reviewed_is_refused_without_a_word_of_it(notes: list[Any], client: TestClient) -> None:
    for path in ("/api/csv", "/api/workbook"):
        reply = client.post(path, json={"notes": notes})
        assert reply.status_code == 400
        assert "is no reviewed note" in reply.json()["error"]
        assert "secret" not in reply.text


BODIES: list[tuple[bytes, str]] = [
    (b"{", "no JSON"),
    (b"\xff", "no JSON"),
    (b"[]", "no object"),
    (b'{"text": 7}', "text is no string"),
    (b'{"text": " "}', "the text is empty"),
    (b'{"text": "\\ud800"}', "half a character"),
    (b'{"text": "a", "k": 0}', "k is no number"),
    (b'{"text": "a", "k": true}', "k is no number"),
    (b'{"notes": 7}', "no list"),
    (b'{"text": "a", "note_id": 7}', "note_id is no string"),
    (b'{"notes": [{"text": "a"}]}', "a note is no note"),
    (b"[" * 200_000, "no JSON"),
]


@pytest.mark.parametrize(("body", "said"), BODIES)
def test_a_bad_body_is_told_in_words(body: bytes, said: str, client: TestClient) -> None:
    reply = client.post("/api/annotate", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert said in reply.json()["error"]


def test_the_description_of_the_api_names_every_path(client: TestClient) -> None:
    told = client.get("/api/openapi.json").json()
    routes = {getattr(route, "path", "").replace(":path", "") for route in make_app(mapper()).routes}
    assert set(told["paths"]) == {path for path in routes if path.startswith("/api/")} - {"/api/openapi.json"}
    text = json.dumps(told)
    for name in told["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text


# -- who may ask ------------------------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
REFUSED: list[tuple[str, dict[str, str], int]] = [
    ("another name", JSON | {"Host": "evil.example"}, 421),
    ("another name that begins alike", JSON | {"Host": "localhost.evil.example:8000"}, 421),
    ("a user in the name", JSON | {"Host": "x@localhost:8000"}, 421),
    ("another origin", JSON | {"Origin": "http://evil.example"}, 403),
    ("another port", JSON | {"Origin": "http://127.0.0.1:9000"}, 403),
    ("no origin at all", JSON | {"Origin": "null"}, 403),
    ("https", JSON | {"Origin": "https://127.0.0.1:8000"}, 403),
    ("another site", JSON | {"Sec-Fetch-Site": "cross-site"}, 403),
    ("a site beside", JSON | {"Sec-Fetch-Site": "same-site"}, 403),
    ("a form", {"Content-Type": "text/plain"}, 415),
    ("a form of fields", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("no type", {"Content-Type": ""}, 415),
]


@pytest.mark.parametrize(("why", "headers", "status"), REFUSED)
def test_who_is_not_ours_is_refused(why: str, headers: dict[str, str], status: int, client: TestClient) -> None:
    body = json.dumps({"text": "Fever."}).encode()
    assert client.post("/api/annotate", content=body, headers=headers).status_code == status, why


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_our_own_names_are_taken(host: str, client: TestClient) -> None:
    ours = {"Host": host, "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/tag", json={"text": "Fever."}, headers=ours).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_answered(method: str, client: TestClient) -> None:
    assert client.request(method, "/api/annotate").status_code == 405


def test_every_answer_keeps_to_itself(client: TestClient) -> None:
    for path in ("/", "/note.js", "/note.css", "/page.js", "/page.css", "/api/health", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_a_token_is_asked_for_and_needed_where_others_could_come() -> None:
    with pytest.raises(InputError, match=r"others could reach the server: got 0\.0\.0\.0 without a token"):
        Admission("0.0.0.0")
    with TestClient(make_app(mapper(), Admission(token="s3cret")), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/").status_code == 200
        for given, status in ((None, 401), ("Bearer wrong", 401), ("Basic s3cret", 401), ("Bearer s3cret", 200)):
            headers = {} if given is None else {"Authorization": given}
            assert client.get("/api/search?q=fever", headers=headers).status_code == status


def test_one_byte_too_many_is_refused_at_once() -> None:
    with TestClient(make_app(mapper(), Admission(body_bytes=1_000)), base_url="http://127.0.0.1:8000") as client:
        fits = json.dumps({"text": "fever " * 100}).encode().ljust(1_000)
        assert client.post("/api/tag", content=fits, headers=JSON).status_code == 200
        assert client.post("/api/tag", content=fits + b" ", headers=JSON).status_code == 413

        def parts() -> Iterator[bytes]:  # without a length
            yield fits
            yield b" "

        assert client.post("/api/tag", content=parts(), headers=JSON).status_code == 413


def test_an_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(answers, "annotated", lambda *_, **__: free.wait(10))
    with TestClient(make_app(mapper(), Admission(seconds=0.2)), base_url="http://127.0.0.1:8000") as client:
        reply = client.post("/api/annotate", json={"text": "Fever."})
        free.set()
    assert reply.status_code == 503
    assert "no answer within 0.2 s" in reply.json()["error"]


def test_no_note_text_is_told_when_something_breaks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_mapper: object, text: str, **_: object) -> None:
        raise ValueError(text)

    monkeypatch.setattr(answers, "annotated", breaks)
    with caplog.at_level(logging.DEBUG), TestClient(make_app(mapper()), base_url="http://127.0.0.1:8000") as client:
        for number in range(20):
            reply = client.post("/api/annotate", json={"text": f"canary{number} secret"})
            assert (reply.status_code, reply.json()["error"]) == (500, "internal error: ValueError")
    assert "canary" not in caplog.text
    assert "canary" not in "".join(capfd.readouterr())


def test_fifty_at_once_all_get_their_own_answer(client: TestClient) -> None:
    running, most = 0, 0
    lock = threading.Lock()
    plain = answers.annotated

    def counted(*given: Any, **more: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return plain(*given, **more)
        finally:
            with lock:
                running -= 1

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(50) as pool:
        patch.setattr(answers, "annotated", counted)
        texts = [f"Hypertension {number}." for number in range(50)]
        found = list(pool.map(lambda text: asked(client, "/api/annotate", {"text": text}), texts))
    assert [one["text"] for one in found] == texts
    assert most <= AT_ONCE


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_as_json_alone(text: str, client: TestClient) -> None:
    reply = client.post("/api/annotate", json={"text": f"{text} fever"})
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["text"] == f"{text} fever"


def test_the_page_writes_no_markup_and_is_small(client: TestClient) -> None:
    page = "".join(client.get(path).text for path in ("/", "/note.js", "/note.css", "/page.js", "/page.css"))
    assert len(page) < 150_000
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"):
        assert risky not in page
    assert " style=" not in page
    assert " onclick=" not in page


# -- the command ------------------------------------------------------------------------------------------------------


def test_a_taken_port_is_told_before_anything_is_loaded(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in capfd.readouterr().err
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "without a token" in capfd.readouterr().err


def test_without_the_extra_the_command_to_type_is_given(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 2
    assert "pip install 'conceptmap[serve]'" in capfd.readouterr().err
