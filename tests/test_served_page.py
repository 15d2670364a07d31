"""The page of ``conceptmap serve`` in a real browser: by pointer, by keyboard alone, at two widths, in both themes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coded_mapper import full_mapper

from conceptmap.serve.app import make_app
from conceptmap.serve.guard import Admission

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
uvicorn = pytest.importorskip("uvicorn", reason="serves the page")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

TEXT = (
    "Chief complaint: fever\nHPI: No pneumonia \U0001f600. Known hypertension; mother had heart failure.\nHypertension."
)
HOSTILE = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "javascript:window.hit=1",
    "</textarea><script>window.hit=1</script>",
    "<a href=javascript:window.hit=1>x</a>",
    "{{constructor.constructor('window.hit=1')()}}",
    "' autofocus onfocus=window.hit=1 x='",
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = make_app(full_mapper(), Admission(port=port))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        running.start()
        yield f"http://127.0.0.1:{port}/"
        server.should_exit = True
        running.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


@pytest.fixture(params=["wide"])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(10_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((address, "blob:")) else None)
    page.goto(address)
    yield page
    context.close()
    assert [words for words in wrong if "503" not in words] == []


def explain(page: Any, text: str = TEXT) -> None:
    page.fill("#given", text)
    page.click("text=Explain")
    page.wait_for_selector("#text .unit")


at_both_widths = pytest.mark.parametrize("page", list(SIZES), indirect=True)


def shown(page: Any) -> str:
    return str(page.inner_text("#because"))


def test_a_pasted_note_is_shown_whole_and_explained_under_the_pointer(page: Any) -> None:
    explain(page)
    assert page.evaluate("document.getElementById('text').textContent") == TEXT
    page.hover("#text .unit >> text=heart failure")
    page.wait_for_selector("#because .path:has-text('›')", state="attached")
    assert "of family" in shown(page)
    assert "confidence" in shown(page)
    assert page.eval_on_selector("#text .unit >> text=pneumonia", "unit => unit.className").startswith("unit no")
    page.mouse.move(5, 5)
    assert "of family" not in shown(page)


@at_both_widths
def test_a_click_holds_the_explanation_and_escape_lets_go(page: Any) -> None:
    explain(page)
    page.click("#text .unit >> text=pneumonia")
    page.mouse.move(5, 5)
    assert "denied" in shown(page)
    page.keyboard.press("Escape")
    assert "denied" not in shown(page)


@at_both_widths
def test_the_line_that_is_read_is_not_hidden(page: Any) -> None:
    explain(page)
    page.click("#text .unit >> text=hypertension >> nth=0")
    word, why = (page.locator(at).first.bounding_box() for at in ("#text .unit.at", "#why"))
    apart = word["y"] + word["height"] <= why["y"] or word["x"] + word["width"] <= why["x"]
    assert apart


def test_a_code_lights_up_its_words(page: Any) -> None:
    explain(page)
    page.click("#codes li:has-text('I10') .name")
    assert page.locator("#text .unit.lit").all_inner_texts() == ["hypertension", "Hypertension"]


def test_filters_leave_what_they_ask_for(page: Any) -> None:
    explain(page)
    sections = page.locator("#section option").all_inner_texts()
    page.select_option("#section", sections[1])
    assert page.locator("#text .unit:not(.off)").all_inner_texts() == ["fever"]
    page.select_option("#section", "")
    page.fill("#least", "1")
    assert page.locator("#text .unit.off").count() > 0


@at_both_widths
def test_codes_are_accepted_rejected_added_and_downloaded(page: Any, tmp_path: Path) -> None:
    explain(page)
    page.click("#codes li:has-text('I10') button[aria-label^=Accept]")
    page.click("#codes li:has-text('R50.9') button[aria-label^=Reject]")
    page.fill("#query", "femur")
    page.click("text=Find")
    page.click("#hits button >> nth=0")
    added = page.locator("#codes li").last.get_attribute("data-key").split()[1]
    verdicts = {"I10": "yes", "R50.9": "no", added: "yes"}
    with page.expect_download() as waiting:
        page.click("#csv")
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert {row["code"]: row["accept"] for row in rows if row["accept"]} == verdicts
    with page.expect_download() as waiting:
        page.click("#book")
    waiting.value.save_as(tmp_path / "reviewed.xlsx")
    book = pl.read_excel(tmp_path / "reviewed.xlsx", sheet_name="Codes", infer_schema_length=0)
    assert dict(book.drop_nulls("Accept").select("code", "Accept").iter_rows()) == verdicts


@at_both_widths
def test_all_of_it_goes_by_keyboard(page: Any) -> None:
    page.focus("#given")
    page.keyboard.insert_text(TEXT)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#codes li")
    stops = 0
    while not page.evaluate("document.activeElement.matches('.unit')"):
        page.keyboard.press("Tab")
        stops += 1
        assert stops < 15
    page.keyboard.press("ArrowRight")
    assert "pneumonia" in shown(page)
    page.keyboard.press("ArrowLeft")
    assert "fever" in shown(page)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("a")
    assert page.locator("#codes li").first.get_attribute("class") == "accepted at"
    page.keyboard.press("Enter")
    assert page.locator("#text .unit.lit").count() > 0


def test_a_long_note_has_few_tab_stops(page: Any) -> None:
    explain(page, "Hypertension and fever, no pneumonia. " * 80)
    stops = page.evaluate(
        "[...document.querySelectorAll('a[href],button,input,select,textarea,[tabindex]')]"
        ".filter(node => node.tabIndex >= 0 && node.getClientRects().length).length"
    )
    assert stops < 30


def test_every_token_by_itself(page: Any) -> None:
    explain(page)
    page.check("#raw")
    page.wait_for_selector("#text .unit.word >> text=mother")
    page.hover("#text .unit >> text=mother")
    assert "own vector" in shown(page)
    assert page.evaluate("document.getElementById('text').textContent") == TEXT


def test_a_file_of_notes_is_opened_and_gone_through(page: Any, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("note_id;text\na;Fever.\nb;Hypertension.\n")
    page.set_input_files("#file", tmp_path / "n.csv")
    page.wait_for_selector("#text .unit >> text=Fever")
    page.select_option("#note", "b")
    page.wait_for_selector("#text .unit >> text=Hypertension")
    page.click("#codes li button[aria-label^=Accept]")
    with page.expect_download() as waiting:
        page.click("#csv")
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert [(row["note_id"], row["accept"]) for row in rows] == [("a", ""), ("b", "yes")]


def test_what_goes_wrong_is_said(page: Any) -> None:
    page.route("**/api/annotate", lambda route: route.fulfill(status=503, json={"error": "no answer within 60 s"}))
    page.fill("#given", TEXT)
    page.click("text=Explain")
    page.wait_for_selector("#said.wrong:has-text('no answer within 60 s')")


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_stays_text(payload: str, page: Any) -> None:
    text = f"{payload} fever {json.dumps(payload)}"
    explain(page, text)
    page.hover("#text .unit >> nth=0")
    assert page.evaluate("document.getElementById('text').textContent") == text
    assert page.evaluate("window.hit") is None
    assert page.locator("#text script, #text img, #text svg, #text a").count() == 0
