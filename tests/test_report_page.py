"""The report in a real browser: with and without scripts, by pointer and by keyboard, at two widths, on paper."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import BROWSER, SIZES, TAB_STOPS, barriers, chromium, watched
from coded_mapper import full_mapper
from payloads import PAYLOADS, what_got_in
from test_pages import hostile

from conceptmap.cli import main
from conceptmap.export.html import note_part, report, view_of
from conceptmap.export.paths import paths_of
from conceptmap.export.report import pages
from conceptmap.export.report.pages import ReportFiles

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

TEXTS = {
    "a": "Chief complaint: fever\nHPI: No pneumonia \U0001f600. Known hypertension; mother had heart failure.\n"
    + "Slept well, ate well, walked about the ward.\n" * 60
    + "Hypertension. Systolic heart failure. Possible fracture of femur.",
    "b": "Type 2 diabetes mellitus, fever and chest pain.",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of the notes above."""
    notes = [full_mapper().annotate(text, note_id=name) for name, text in TEXTS.items()]
    file = tmp_path_factory.mktemp("report") / "report.html"
    path = paths_of(full_mapper().path, full_mapper().indexes)
    file.write_text(report(notes, path=path, title="Two notes"), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(params=["wide"])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    with watched(browser, address, request.param, permissions=["clipboard-read", "clipboard-write"]) as found:
        yield found


at_both_widths = pytest.mark.parametrize("page", list(SIZES), indirect=True)


def open_explanations(page: Any) -> list[str]:
    return [words.split("\n")[0] for words in page.locator(".pop:visible").all_inner_texts()]


def row(page: Any, code: str, note: str = "") -> Any:
    return page.locator(f"{note} .code:has(summary > .c:text-is('{code}'))").first


def names(page: Any) -> list[str]:
    return list(page.locator(".code:visible summary > .c").all_inner_texts())


def test_a_mark_explains_itself_until_escape_or_a_click_elsewhere(page: Any) -> None:
    mark = page.locator("#n1 .m > a", has_text="pneumonia")
    mark.hover()
    assert open_explanations(page) == ["pneumonia"]
    assert "denied" in page.locator(".pop:visible").inner_text()
    page.keyboard.press("Escape")
    assert open_explanations(page) == []
    page.mouse.move(5, 5)
    mark.click()
    page.mouse.move(5, 5)
    assert open_explanations(page) == ["pneumonia"], "a click holds it"
    page.keyboard.press("Escape")
    assert open_explanations(page) == []
    page.keyboard.press("Enter")
    assert open_explanations(page) == ["pneumonia"]
    page.mouse.click(5, 5)
    assert open_explanations(page) == []


@at_both_widths
def test_the_line_that_is_read_is_not_hidden(page: Any) -> None:
    for mark in (page.locator("#n1 .m > a").first, page.locator("#n1 .m > a").last):
        mark.focus()
        word, shown = mark.bounding_box(), page.locator(".pop:visible").bounding_box()
        assert word["y"] + word["height"] <= shown["y"] + 1 or shown["y"] + shown["height"] <= word["y"] + 1


def test_the_note_stays_in_view_and_a_code_shows_its_words(page: Any) -> None:
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('.code') !== null")
    row(page, "I10").locator("summary").click()
    lit = page.locator("#n1 .text .lit > a")
    assert lit.all_inner_texts() == ["hypertension", "Hypertension"]
    assert "hypertension ×2" in row(page, "I10").inner_text()
    while page.evaluate("document.activeElement.firstChild.textContent") != "I50.2":
        page.keyboard.press("j")
    seen = page.locator("#n1 .text .lit").bounding_box()
    assert 0 <= seen["y"] <= SIZES["wide"][1], "the text scrolls to it by itself"
    page.evaluate("scrollTo(0, document.querySelector('#n1 .codes').getBoundingClientRect().bottom + scrollY - 700)")
    box = page.locator("#n1 .text").bounding_box()
    assert box["y"] >= 0
    assert box["height"] < SIZES["wide"][1]


def test_a_row_unfolds_into_path_and_words(page: Any) -> None:
    code = row(page, "I50.2")
    assert not code.locator(".more").is_visible()
    code.locator("summary").click()
    assert "I50 Heart failure" in code.inner_text()
    code.locator(".more a").first.click()
    assert page.evaluate("document.activeElement.textContent") == "Systolic heart failure"


def test_the_filter_leaves_what_it_asks_for(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("diabetes")
    assert names(page) == ["E11.9"]
    assert not page.locator("#n1").is_visible()
    assert page.locator(".index tbody tr:visible").count() == 1
    page.fill("#filter", "HYPERT")
    assert names(page) == ["I10"]
    page.fill("#filter", "")
    assert len(names(page)) > 3


def test_codes_are_sorted_and_come_back(page: Any) -> None:
    before = names(page)
    page.select_option("#sort", "code")
    within = [group.locator("summary > .c").all_inner_texts() for group in page.locator(".group").all()]
    assert all(codes == sorted(codes) for codes in within)
    page.select_option("#sort", "place")
    page.select_option("#sort", "")
    assert names(page) == before


@at_both_widths
def test_decisions_by_keyboard_are_downloaded_and_read_back(
    page: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    codes = names(page)
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("c")
    page.wait_for_function("document.getElementById('said').textContent.includes('is copied')")
    assert page.evaluate("navigator.clipboard.readText()") == codes[1]
    page.locator("#n2 .m > a", has_text="chest pain").focus()
    page.keyboard.press("2")
    assert "is accepted" in page.inner_text("#said")
    taken = page.locator("#n2 .added summary > .c").inner_text()
    with page.expect_download() as waiting:
        page.click("#csv")
    assert waiting.value.suggested_filename == "reviewed.csv"
    waiting.value.save_as(tmp_path / "reviewed.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "reviewed.csv").read_text(encoding="utf-8"))))
    assert {row["code"]: row["accept"] for row in rows if row["accept"]} == {
        codes[0]: "yes",
        codes[1]: "no",
        taken: "yes",
    }
    assert {row["note_id"] for row in rows} == {"a", "b"}
    for one in rows:
        for place in one["spans"].split():
            start, end = map(int, place.split("-"))
            assert " ".join(TEXTS[one["note_id"]][start:end].split()).lower() in one["text"].lower()
    (tmp_path / "found.csv").write_text(f"note_id,code\na,{codes[0]}\nb,{taken}\n")
    assert main(["evaluate", str(tmp_path / "reviewed.csv"), str(tmp_path / "found.csv"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["full code"]["f1"] == 1.0


def test_a_candidate_is_taken_by_the_pointer_once(page: Any) -> None:
    mark = page.locator("#n2 .m", has=page.locator("a", has_text="fever"))
    mark.hover()
    mark.locator(".cand button").first.click()
    assert row(page, "R50.9", "#n2").get_attribute("data-accept") == "yes"
    assert page.locator(".added").count() == 0, "it is a code already"
    other = page.locator("#n2 .m", has=page.locator("a", has_text="chest pain"))
    other.hover()
    other.locator(".cand button").last.click()
    other.locator(".cand button").last.click()
    assert page.locator(".added .code").count() == 1


def test_it_works_without_scripts(browser: Any, address: str) -> None:
    with watched(browser, address, java_script_enabled=False) as page:
        assert not page.locator(".tools").is_visible()
        page.locator("#n1 .m > a", has_text="heart failure").first.hover()
        assert open_explanations(page) == ["heart failure"]
        page.mouse.move(5, 5)
        page.locator("#n1 .m > a", has_text="fever").click()
        page.mouse.move(5, 5)
        assert open_explanations(page) == ["fever"]
        page.mouse.click(5, 5)
        assert open_explanations(page) == []
        row(page, "I10").locator("summary").click()
        assert row(page, "I10").locator(".more").is_visible()


@pytest.mark.parametrize(("scripts", "most"), [(True, 30), (False, 120)])
def test_a_long_note_has_few_tab_stops(scripts: bool, most: int, browser: Any, tmp_path: Path) -> None:
    said = "Hypertension, then a day later fever, yet no pneumonia was seen or heard by anybody there at all. "
    note = full_mapper().annotate(said * 25)
    assert len(note.text.split()) > 400
    (tmp_path / "long.html").write_text(note.to_html(), encoding="utf-8")
    with watched(browser, (tmp_path / "long.html").as_uri(), java_script_enabled=scripts) as page:
        if scripts:
            page.wait_for_selector(".judge")
            assert page.evaluate(TAB_STOPS) < most
        else:  # scripts may not run, so that the stops are gone through
            stops = 0
            while not page.locator(".code summary").last.evaluate("node => node === document.activeElement"):
                page.keyboard.press("Tab")
                stops += 1
                assert stops < most


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_nobody_is_kept_out(size: str, theme: str, browser: Any, address: str) -> None:
    with watched(browser, address, size, color_scheme=theme) as page:
        row(page, "I10").locator("summary").click()
        page.locator("#n1 .m > a", has_text="pneumonia").focus()
        page.keyboard.press("1")
        assert barriers(page) == []
        unnamed = page.locator("[role=group]:not([aria-label])").count()
        assert unnamed == 0


def test_on_paper_nothing_is_cut(page: Any) -> None:
    page.emulate_media(media="print")
    cut = "nodes => nodes.filter(node => node.scrollHeight > node.clientHeight + 1).length"
    assert page.eval_on_selector_all(".text, .codes, .index", cut) == 0
    assert page.locator(".index").is_visible(), "a table of the notes comes first"
    assert not page.locator(".tools").is_visible()
    breaks = page.evaluate("[...document.querySelectorAll('.note')].map((one) => getComputedStyle(one).breakBefore)")
    assert breaks == ["page", "page"]


def test_the_first_page_of_many_filters_and_sorts_its_notes(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "NOTES_ON_A_PAGE", 1)
    files = ReportFiles(tmp_path, n_notes=2, path=lambda *_: (), title="two")
    files.write([view_of(full_mapper().annotate(text, note_id=name)) for name, text in TEXTS.items()])
    files.finish(facts=(), quarantined=())
    with watched(browser, (tmp_path / "report.html").as_uri()) as page:
        lines = page.locator(".index tbody tr:visible")
        page.click("th button:has-text('Note')")
        page.click("th button:has-text('Note')")
        assert [line.split("\t")[0] for line in lines.all_inner_texts()] == ["b", "a"]
        page.fill("#filter", "e11.9")
        assert lines.count() == 1
        assert barriers(page) == []


def test_no_payload_runs_loads_or_leads_away(browser: Any, tmp_path: Path) -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) == 48
    notes = [hostile(payload) for payload in PAYLOADS]
    own = [(PAYLOADS[0], PAYLOADS[6])]
    file = tmp_path / "report.html"
    text = report(notes, path=lambda *_: own, title=PAYLOADS[14], facts=PAYLOADS)
    file.write_text(text, encoding="utf-8", errors="replace")
    with watched(browser, file.as_uri()) as page:
        page.evaluate("for (const mark of document.querySelectorAll('.m > a, .w')) mark.focus()")
        page.keyboard.press("1")
        for payload in PAYLOADS[:12]:
            page.fill("#filter", payload)
        page.fill("#filter", "")
        page.evaluate("for (const head of document.querySelectorAll('th button')) head.click()")
        assert page.evaluate(what_got_in) == {"hit": None, "handlers": 0, "scripts": 1, "strangers": 0, "links": []}
        assert page.locator(".note").count() == len(PAYLOADS)


def test_no_payload_gets_out_of_a_notebook(browser: Any) -> None:
    """A notebook has no policy of its own, so that escaping is all that holds."""
    parts = [note_part(hostile(payload), path=lambda *_: ()) for payload in PAYLOADS]
    with watched(browser, "about:blank") as page:
        page.set_content(f"<body>{''.join(parts)}</body>")
        assert page.evaluate(what_got_in) == {"hit": None, "handlers": 0, "scripts": 0, "strangers": 0, "links": []}
        assert page.locator(".conceptmap").count() == len(PAYLOADS)
