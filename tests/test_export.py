"""What is shown to people and programs: CSV cells, JSON Lines, and pages that no note can break out of."""

from __future__ import annotations

import csv
import io
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_mapper import index, mapper
from test_batch import random_note

from conceptmap.batch import Settings, code_notes
from conceptmap.export.csv import csv_bytes, spreadsheet_safe
from conceptmap.export.html import report
from conceptmap.export.jsonl import jsonl_bytes
from conceptmap.export.paths import paths_of
from conceptmap.export.report import pages
from conceptmap.export.tagged_words import tagged_words
from conceptmap.frames import TAGS
from conceptmap.notes.notes import read_notes

HOSTILE = '<script>alert("fever")</script> headache & "hypertension" \'onload=x\' <b>fever</b>\x00\x1b[31m &lt;'


class Page(HTMLParser):
    """The tags, attributes and text (without pop-ups) of a page; its elements must be closed in order."""

    VOID = ("meta", "br", "img", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._within: list[str] = []
        self._pop_ups: list[int] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in self.VOID:
            self._within.append(tag)
            if ("class", "pop") in attrs:
                self._pop_ups.append(len(self._within))

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within[-1] != tag:
            assert self._within[-1] in ("th", "td", "li", "p"), f"{tag} closes {self._within[-1]}"
            self._within.pop()
        self._within.pop()
        if self._pop_ups and len(self._within) < self._pop_ups[-1]:
            self._pop_ups.pop()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self._within} and not self._pop_ups:
            self.text += data


def page_of(*texts: str) -> str:
    notes = [mapper().annotate(text, note_id=f"<i>{at}</i>") for at, text in enumerate(texts)]
    return report(notes, path=paths_of(mapper().path, [index()]), title="A <title>")


def test_nothing_of_a_note_or_a_name_becomes_markup() -> None:
    text = page_of(HOSTILE, "headache")
    page = Page(text)
    assert page.tags.count("script") == 1, "the page's own"
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert '<script>alert("fever")</script>' in page.text
    assert "Headache <script>alert(1)</script>" in page.text
    assert "<i>0</i>" in page.text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "␀␛[31m" in page.text


def test_the_page_loads_nothing_and_its_links_lead_somewhere() -> None:
    page = Page(page_of("Fever and headache.", "Hypertension."))
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not {"img", "link", "iframe", "object"} & set(page.tags)
    assert not [
        value for name, value in page.attributes if name in ("src", "srcset", "style") and "url(" in (value or "")
    ]


def test_the_note_is_shown_whole_and_its_mentions_explained() -> None:
    text = "Known hypertension.\n\tNo fever; mother had heart failure."
    page = page_of(text)
    assert text in Page(page).text
    assert 'data-l="no"' in page
    assert "<em>denied</em>" in page
    assert "Diseases of the heart &amp; vessels" in page
    assert "of the family" in page


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_makes_a_well_formed_page(text: str) -> None:
    page = Page(page_of(f"{text} fever {text}"))
    assert page.tags.count("script") == 1
    assert len(page.ids) == len(set(page.ids))


def test_a_notebook_shows_a_note_as_a_part_of_its_page() -> None:
    shown = mapper().annotate(HOSTILE)._repr_html_()
    page = Page(shown)
    assert not {"iframe", "script", "html", "link"} & set(page.tags)
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids), "every link leads somewhere"
    other = Page(mapper().annotate(HOSTILE + " Again.")._repr_html_())
    assert not set(page.ids) & set(other.ids), "two notes of a notebook have anchors of their own"


def test_the_style_of_a_part_stays_inside_and_follows_the_theme() -> None:
    shown = mapper().annotate("Fever.")._repr_html_()
    style = shown[shown.index("<style>") + 7 : shown.index("</style>")]
    depth, outside = 0, ""
    for character in style:
        depth += (character == "{") - (character == "}")
        outside += character if not depth else ""
    selectors = [part.strip() for part in outside.replace("}", "\n").splitlines() if part.strip()]
    assert all(".conceptmap" in one or one.startswith("@media") for one in selectors), selectors
    for theme in ('[data-jp-theme-light="false"]', '[data-vscode-theme-kind*="dark"]', "prefers-color-scheme: dark"):
        assert theme in style
    assert ":root" not in style
    assert style.count("--paper: #14171b") == 2


def test_many_notes_are_spread_over_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "NOTES_ON_A_PAGE", 2)
    frame = pl.DataFrame({"note_id": list("abcde"), "text": ["fever", "headache", "fever", "none", "hypertension"]})
    frame.write_csv(tmp_path / "notes.csv")
    code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("html",)))
    written = {path.name: Page(path.read_text()) for path in (tmp_path / "out").glob("*.html")}
    assert sorted(written) == ["report-0001.html", "report-0002.html", "report-0003.html", "report.html"]
    for name, page in written.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            assert not anchor or anchor in written[file or name].ids
    assert sum(len(re.findall("report-0", link)) for link in written["report.html"].links) == 5


def test_a_report_names_what_was_not_coded(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("note_id,text\na,fever\nb,\n")
    code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("html",)))
    assert "1 note was not coded" in Page((tmp_path / "out" / "report.html").read_text()).text


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_csv_cells_come_back_as_they_were(cells: list[str]) -> None:
    data = csv_bytes(pl.DataFrame({"rank": range(len(cells)), "text": cells}))
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert [row[1] for row in rows[1:]] == cells


@given(CELLS)
def test_safe_cells_start_like_no_formula_and_can_be_undone(cell: str) -> None:
    (safe,) = spreadsheet_safe(pl.DataFrame({"text": [cell]}))["text"]
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert safe in (cell, f"'{cell}")


def test_null_and_empty_differ_in_csv_and_json() -> None:
    frame = pl.DataFrame({"a": ["", None], "b": [True, None]})
    assert csv_bytes(frame) == b'a,b\n"",true\n,\n'
    assert jsonl_bytes(frame) == b'{"a":"","b":true}\n{"a":null,"b":null}\n'


def test_words_gather_their_tokens_in_random_notes() -> None:
    rng = random.Random(3)
    for _ in range(50):
        text = random_note(rng)
        starts = sorted(rng.sample(range(len(text)), min(len(text), 6)))
        tags = [
            ("n", at, start, start + 1, text[start], 1, "test", f"c{at}", "name", 0.5, 0.4, "why")
            for at, start in enumerate(starts)
        ]
        words = tagged_words(text, pl.DataFrame(tags, schema=TAGS, orient="row"))
        for word in words:
            assert text[word.start_char : word.end_char] == word.text
            inside = {f"c{at}" for at, start in enumerate(starts) if word.start_char <= start < word.end_char}
            assert {concept.code for concept in word.concepts} == inside


def test_paths_leave_out_a_root_above_everything() -> None:
    steps = {
        "leaf": [("root", "All"), ("mid", "Middle"), ("leaf", "Leaf")],
        "mid": [("root", "All"), ("mid", "Middle")],
    }
    edges = pl.DataFrame({"parent": ["root", "mid"], "child": ["mid", "leaf"]})

    class Given:
        system = "test"

    holder = Given()
    holder.edges = edges  # type: ignore[attr-defined]
    above = paths_of(lambda _, code: steps[code], [holder])  # type: ignore[list-item]
    assert above("test", "leaf") == (("mid", "Middle"),)
    assert above("test", "mid") == ()
    assert paths_of(mapper().path, [index()])("test", "E11.9")[0] == ("4", "Metabolic diseases <E00-E89>")
    assert paths_of(mapper().path)("test", "nowhere") == ()
