"""The page of ``conceptmap serve`` in a real browser: by pointer, by keyboard alone, at two widths, in both themes."""

from __future__ import annotations

import csv
import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from browsing import BROWSER, SIZES, TAB_STOPS, barriers, chromium, watched
from coded_mapper import full_mapper
from payloads import PAYLOADS, what_got_in

from conceptmap.cli import main
from conceptmap.notes.reviewed import reviewed_notes
from conceptmap.retrieval.search import NoteSearch
from conceptmap.serve.app import make_app
from conceptmap.serve.guard import Admission

uvicorn = pytest.importorskip("uvicorn", reason="serves the page")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

TEXT = (
    "Chief complaint: fever\nHPI: No pneumonia \U0001f600. Known hypertension; mother had heart failure.\nHypertension."
)
TEXT_SHOWN = (
    "(() => { const text = document.querySelector('.text').cloneNode(true);"
    " for (const pop of text.querySelectorAll('.pop')) pop.remove(); return text.textContent; })()"
)


@contextmanager
def served(search: NoteSearch | None = None) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = make_app(full_mapper(), Admission(port=port), search)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        running.start()
        yield f"http://127.0.0.1:{port}/"
        server.should_exit = True
        running.join(10)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(params=["wide"])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    with watched(browser, address, request.param) as found:
        yield found


def explain(page: Any, text: str = TEXT) -> None:
    page.fill("#given", text)
    page.click("text=Explain")
    page.wait_for_selector(".note .text", state="attached")
    page.wait_for_function("document.getElementById('said').textContent.includes('codes in')")


at_both_widths = pytest.mark.parametrize("page", list(SIZES), indirect=True)


def shown(page: Any) -> str:
    return "\n".join(page.locator(".pop:visible").all_inner_texts())


def mark(page: Any, words: str) -> Any:
    return page.locator(".m > a", has_text=words).first


def row(page: Any, code: str) -> Any:
    return page.locator(f".code:has(summary > .c:text-is('{code}'))")


def test_a_pasted_note_is_shown_whole_and_explained_under_the_pointer(page: Any) -> None:
    explain(page)
    assert page.evaluate(TEXT_SHOWN) == TEXT
    assert page.locator("#seek").is_hidden(), "without an index there is nothing to find"
    mark(page, "heart failure").hover()
    assert "of the family" in shown(page)
    assert "cosine" in shown(page)
    page.mouse.move(5, 5)
    assert shown(page) == ""
    mark(page, "pneumonia").hover()
    assert "denied" in shown(page)


@at_both_widths
def test_a_click_holds_the_explanation_and_escape_lets_go(page: Any) -> None:
    explain(page)
    mark(page, "pneumonia").click()
    page.mouse.move(5, 5)
    assert "denied" in shown(page)
    page.keyboard.press("Escape")
    assert shown(page) == ""


@at_both_widths
def test_the_line_that_is_read_is_not_hidden(page: Any) -> None:
    explain(page)
    mark(page, "hypertension").click()
    word, why = mark(page, "hypertension").bounding_box(), page.locator(".pop:visible").bounding_box()
    assert word["y"] + word["height"] <= why["y"] + 1 or why["y"] + why["height"] <= word["y"] + 1


def test_a_code_lights_up_its_words(page: Any) -> None:
    explain(page)
    row(page, "I10").locator("summary").click()
    assert page.locator(".lit > a").all_inner_texts() == ["hypertension", "Hypertension"]


def test_filters_leave_what_they_ask_for(page: Any) -> None:
    explain(page)
    sections = page.locator("#section option").all_inner_texts()
    page.select_option("#section", sections[1])
    assert page.locator(".m:not(.off-filter) > a").all_inner_texts() == ["fever"]
    assert page.locator(".code:visible summary > .c").all_inner_texts() == ["R50.9"]
    page.select_option("#section", "")
    page.fill("#least", "1")
    assert page.locator(".k.off-filter").count() > 0


@at_both_widths
def test_codes_are_accepted_rejected_added_and_downloaded(
    page: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    explain(page)
    row(page, "I10").locator("button[aria-label^=Accept]").click()
    row(page, "R50.9").locator("button[aria-label^=Reject]").click()
    page.fill("#query", "femur")
    page.click("#find button")
    page.click("#hits button >> nth=0")
    added = page.locator(".added summary > .c").inner_text()
    mark(page, "heart failure").focus()
    page.keyboard.press("2")
    taken = page.locator(".added summary > .c").last.inner_text()
    verdicts = {"I10": "yes", "R50.9": "no", added: "yes", taken: "yes"}
    with page.expect_download() as waiting:
        page.click("#csv")
    waiting.value.save_as(tmp_path / "reviewed.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "reviewed.csv").read_text(encoding="utf-8"))))
    assert {row["code"]: row["accept"] for row in rows if row["accept"]} == verdicts
    with page.expect_download() as waiting:
        page.click("#book")
    waiting.value.save_as(tmp_path / "reviewed.xlsx")
    book = pl.read_excel(tmp_path / "reviewed.xlsx", sheet_name="Codes", infer_schema_length=0)
    assert dict(book.drop_nulls("Accept").select("code", "Accept").iter_rows()) == verdicts
    (note,) = reviewed_notes(tmp_path / "reviewed.xlsx")
    said = [(note.text[one.start_char : one.end_char], one.codes) for one in note.mentions]
    assert said == [("hypertension", ("I10",)), ("heart failure", (taken,)), ("Hypertension", ("I10",))]
    assert note.text == TEXT
    (tmp_path / "found.csv").write_text("note_id,code\nnote,I10\n")
    for gold in ("reviewed.csv", "reviewed.xlsx"):
        assert main(["evaluate", str(tmp_path / gold), str(tmp_path / "found.csv"), "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["full code"]["recall"] == pytest.approx(1 / 3)


@at_both_widths
def test_all_of_it_goes_by_keyboard(page: Any) -> None:
    page.focus("#given")
    page.keyboard.insert_text(TEXT)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".code")
    stops = 0
    while not page.evaluate("document.activeElement.matches('.m > a, .w')"):
        page.keyboard.press("Tab")
        stops += 1
        assert stops < 18
    while "pneumonia" not in shown(page):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert "denied" not in shown(page)
    page.keyboard.press("Escape")
    assert shown(page) == ""
    page.keyboard.press("j")
    page.keyboard.press("a")
    assert page.locator(".code").first.get_attribute("data-accept") == "yes"
    assert page.locator(".lit").count() > 0


def test_a_long_note_has_few_tab_stops(page: Any) -> None:
    explain(page, "Hypertension and fever, no pneumonia. " * 80)
    page.wait_for_selector(".judge")
    assert page.evaluate(TAB_STOPS) < 30


def test_every_token_by_itself(page: Any) -> None:
    explain(page)
    page.check("#raw")
    page.locator(".w", has_text="mother").first.hover()
    assert "own vector" in shown(page)
    assert page.evaluate(TEXT_SHOWN) == TEXT
    page.uncheck("#raw")
    assert mark(page, "pneumonia").is_visible()


def test_a_file_of_notes_is_opened_and_gone_through(page: Any, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("note_id;text\na;Fever.\nb;Hypertension.\n")
    page.set_input_files("#file", tmp_path / "n.csv")
    mark(page, "Fever").wait_for()
    page.select_option("#note", "b")
    mark(page, "Hypertension").wait_for()
    page.click(".code button[aria-label^=Accept]")
    page.select_option("#note", "a")
    page.select_option("#note", "b")
    with page.expect_download() as waiting:
        page.click("#csv")
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert [(row["note_id"], row["accept"]) for row in rows] == [("a", ""), ("b", "yes")], (
        "verdicts stay with their note"
    )


def test_what_goes_wrong_is_said(page: Any) -> None:
    page.route("**/api/annotate", lambda route: route.fulfill(status=503, json={"error": "no answer within 60 s"}))
    page.fill("#given", TEXT)
    page.click("text=Explain")
    page.wait_for_selector("#said.wrong:has-text('no answer within 60 s')")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_nobody_is_kept_out(size: str, theme: str, browser: Any, address: str) -> None:
    with watched(browser, address, size, color_scheme=theme) as page:
        explain(page)
        row(page, "I10").locator("summary").click()
        mark(page, "pneumonia").focus()
        assert barriers(page) == []


def test_no_payload_runs_loads_or_leads_away(page: Any, tmp_path: Path) -> None:
    notes = [{"note_id": payload, "text": f"{payload} fever {json.dumps(payload)}"} for payload in PAYLOADS]
    (tmp_path / "n.jsonl").write_text("\n".join(json.dumps(note) for note in notes), encoding="utf-8")
    page.set_input_files("#file", tmp_path / "n.jsonl")
    for at, note in enumerate(notes):
        page.select_option("#note", index=at)
        page.wait_for_function("id => document.querySelector('.note')?.dataset.note === id", arg=note["note_id"])
        mark(page, "fever").focus()
        page.keyboard.press("1")
        assert page.evaluate(TEXT_SHOWN) == note["text"]
        assert page.evaluate(what_got_in) == {"hit": None, "handlers": 0, "scripts": 2, "strangers": 0, "links": []}
    page.fill("#query", PAYLOADS[6])
    page.click("#find button")
    page.wait_for_selector("#hits li")
    assert page.evaluate("window.hit") is None


def test_notes_of_an_index_are_found_explained_and_opened(browser: Any) -> None:
    notes = {
        "a": "He denies hypertension.",
        "<b>b</b>": f"{PAYLOADS[6]} fever {PAYLOADS[0]}",
        "c": "Fracture of femur.",
    }
    search = NoteSearch.index(notes, encoder=full_mapper().encoder or "embedded", mapper=full_mapper())
    with served(search) as address, watched(browser, address) as page:
        explain(page, "Hypertension.")
        row(page, "I10").locator("button[aria-label^=Accept]").click()
        page.get_by_label("Words or a sentence").fill("high blood pressure")
        page.keyboard.press("Enter")
        first = page.locator("#found > li").first
        assert first.locator("strong").inner_text() == "a"
        first.locator("summary").focus()
        page.keyboard.press("Enter")
        cells = [one.locator("td").all_inner_texts() for one in first.locator("tr").all()[1:]]
        assert [one[0] for one in cells] == ["high", "blood", "pressure", "sum"]
        assert f"score {cells[-1][2]}" in first.inner_text()
        assert any("denied" in one[3] and "icd10:I10" in one[3] for one in cells)
        marks = first.locator("mark").all_inner_texts()
        assert marks == sorted({one[1] for one in cells[:-1]}, key=notes["a"].index)
        assert barriers(page) == []
        page.get_by_label("That mention").fill("I10")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelectorAll('#found > li').length === 1")
        page.get_by_label("denied ones do not count").check()
        page.get_by_text("Find notes").last.click()
        page.wait_for_function("() => document.querySelector('#seek-said').textContent === '0 notes'")
        page.get_by_label("That mention").fill("")
        page.get_by_label("denied ones do not count").uncheck()
        page.fill("#sought", f"fever {PAYLOADS[0]} {PAYLOADS[6]}")
        page.click("text=Find notes >> nth=-1")
        page.get_by_label("Open note <b>b</b>").press("Enter")
        page.wait_for_function("() => document.querySelector('.note')?.dataset.note === '<b>b</b>'")
        assert page.evaluate(TEXT_SHOWN) == notes["<b>b</b>"]
        page.wait_for_function("() => document.activeElement.id === 'shown'")
        assert page.evaluate(what_got_in) == {"hit": None, "handlers": 0, "scripts": 2, "strangers": 0, "links": []}
        assert page.locator("#note option").all_inner_texts() == ["note", "<b>b</b>"]
        page.select_option("#note", "note")
        page.wait_for_selector(".code[data-accept=yes]")
