"""The pages' templates: nothing gets around their escaping, whatever it is in, and no more than a page is held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from jinja2 import UndefinedError

from conceptmap.export import html, pages
from conceptmap.export.aligned import aligned_page
from conceptmap.export.pages import ReportFiles
from conceptmap.export.views import NoteView
from conceptmap.frames import ANNOTATIONS, CODES, TAGS

PACKAGE = Path(html.__file__).parents[1]
TEMPLATES = sorted((PACKAGE / "export" / "templates").glob("*.html"))
ATTACKS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</style><script>alert(1)</script>",
    "</title></span></article><iframe src=javascript:alert(1)>",
    "{{ 7 * 7 }}{% include 'page.html' %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;",
    "\x1b]0;title\x07",
)
CHOSEN = {"m", "m idle", "m off", "m off neg", "w", "cand", "cand rest"}
"""Classes of marks and candidates: a note chooses among these."""


class Parsed(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.values: dict[str, set[str]] = {}
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            self.values.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def hrefs(self) -> set[str]:
        """Where links lead, without the checksum that a note in a notebook has in its anchors."""
        return {re.sub("^#c[0-9a-f]{8}m", "#m", href) for href in self.values.get("href", ())}


def row(schema: pl.Schema, attack: str, **given: object) -> dict[str, object]:
    """A row that holds the attack wherever a text may stand."""
    return {name: attack if dtype == pl.String else None for name, dtype in schema.items()} | given


def hostile(attack: str) -> NoteView:
    """A note of which everything is the attack: id, text, codes, names, systems, sections, context, remarks, facts."""
    text = f"{attack} and {attack}"
    place = {"start_char": 0, "end_char": len(attack), "score": 0.5, "confidence": 0.5}
    mentions = [
        row(ANNOTATIONS, attack, **place, rank=rank, mention_id="m1", negated=False, subject=subject)
        for rank, subject in ((1, attack), (2, "patient"))
    ]
    codes = [row(CODES, attack, score=0.5, rank=1, billable=False, evidence=f"m1;{attack}")]
    there = {"start_char": text.rindex(attack), "end_char": len(text)}
    tags = [row(TAGS, attack, **there, token_index=0, rank=rank, score=0.5, confidence=0.5) for rank in (1, 2)]
    return NoteView(
        attack,
        text,
        pl.DataFrame(mentions, schema=ANNOTATIONS),
        pl.DataFrame(codes, schema=CODES),
        pl.DataFrame(tags, schema=TAGS),
        facts=(attack,),
    )


def way(attack: str) -> Iterator[tuple[str, str]]:
    yield from [(attack, attack), (attack, attack)]


def every_page(attack: str, folder: Path) -> Iterator[str]:
    """Each kind of page, the attack in all that it shows."""
    note = hostile(attack)

    def path(*_: str) -> list[tuple[str, str]]:
        return list(way(attack))

    yield html.report([note, note], path=path, title=attack, facts=[attack])
    yield html.note_part(note, path=path)
    (folder / "run").mkdir()
    files = ReportFiles(folder / "run", n_notes=99, path=path, title=attack)
    files.write([note, note, note])
    files.finish(facts=[attack], quarantined=[{"where": attack, "note_id": attack, "reason": attack}])
    for file in (folder / "run").iterdir():
        yield file.read_text(encoding="utf-8")
    said = {"note_id": attack, "start_char": 0, "text": attack}
    systems = {system: attack for name in (attack, "b") for system in (name, f"{name}_name")}
    agreement = {f"agreement_{attack}_b": None}
    yield aligned_page(pl.DataFrame([said | systems | agreement]), [attack, "b"], title=attack)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> list[Parsed]:
    """The same pages with a word in place of the attack."""
    return [Parsed(text) for text in every_page("harmless", tmp_path_factory.mktemp("harmless"))]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_id_name_or_column_becomes_markup(attack: str, harmless: list[Parsed], tmp_path: Path) -> None:
    found = list(every_page(attack, tmp_path))
    assert len(found) == len(harmless) == 5
    for text, other in zip(found, harmless, strict=True):
        page = Parsed(text)
        assert page.elements == other.elements
        assert page.attributes == other.attributes
        assert page.values.get("class") == other.values.get("class")
        assert page.hrefs == other.hrefs, "no link leads where a note says"
        assert "\x1b" not in text
        shown = attack.translate({at: 0x2400 + at for at in range(32)})
        assert shown in page.text


def test_what_a_note_chooses_from_is_ours(tmp_path: Path) -> None:
    for text in every_page("x y", tmp_path):
        looks = {look for look in Parsed(text).values.get("class", ()) if re.match(r"(m|w|cand)\b(?!e)", look)}
        assert looks <= CHOSEN | {"meta"}


def test_nothing_gets_around_the_escaping() -> None:
    """``safe`` and ``Markup`` say that a text needs no escaping: no template and no module says so."""
    around = re.compile(r"\|\s*safe\b|autoescape|mark_safe|\bMarkup\b|\bxmlattr\b|\bdo\s")
    assert {path.name: around.findall(path.read_text(encoding="utf-8")) for path in TEMPLATES} == {
        path.name: [] for path in TEMPLATES
    }
    trusting = re.compile(r"\bMarkup\(|\bmarkupsafe\b|__html__|autoescape=(?!True)|from_string")
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [str(path) for path, source in sources.items() if trusting.search(source)] == []
    written = re.compile(r"f['\"]+<(?:!DOCTYPE|a|b|div|h\d|html|iframe|i|li|p|span|t[dhr]|table|ul)\b")
    assert [str(path) for path, source in sources.items() if written.search(source)] == [], "HTML stands in templates"
    assert all(re.search(r'=\{\{|=[^"\s>]*\{\{', path.read_text(encoding="utf-8")) is None for path in TEMPLATES), (
        "an attribute with a value from a note stands in quotation marks"
    )


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="home"):
        "".join(html.page("notes.html", title="a", notes=[], links=True))


def test_the_first_page_draws_codes_by_frequency_and_by_chapter(tmp_path: Path) -> None:
    def path(_: str, code: str) -> list[tuple[str, str]]:
        return [("9", "Circulation")] if code.startswith("I") else [("18", "Symptoms")]

    def coded(*codes: str) -> NoteView:
        rows = [row(CODES, code, evidence="", rank=at) for at, code in enumerate(codes)]
        empty = pl.DataFrame(schema=ANNOTATIONS)
        return NoteView("n", "text", empty, pl.DataFrame(rows, schema=CODES), None)

    notes = [coded("I10", "R50.9", "I50.9"), coded("I10", "I10"), coded(*(f"R{at}" for at in range(20)))]
    files = ReportFiles(tmp_path, n_notes=3, path=path, title="three")
    files.write(notes)
    files.finish(facts=(), quarantined=())
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    by_code, by_chapter = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    bars = re.findall(r"<title>(.*?): (.*?)</title>.*?<rect [^>]*width=\"(.*?)\"", by_code, re.DOTALL)
    assert (bars[0], len(bars)) == (("I10 I10", "2", "100.0%"), 15)
    assert bars[1] == ("I50.9 I50.9", "1", "50.0%")
    assert "and 8 more" in by_code
    assert re.findall(r"<title>(.*?)</title>", by_chapter) == ["18 Symptoms: 21", "9 Circulation: 3"]
    assert "<svg" not in html.report(notes[:1], path=path), "there is nothing to compare in one note"
    assert "<svg" in html.report(notes[:2], path=path)


def test_codes_stand_under_their_roles_with_what_orders_them(tmp_path: Path) -> None:
    given = [
        ("K35.80", "principal", 0.91),
        ("I10", "secondary", 0.8),
        ("E11.9", "secondary", 0.7),
        ("Z79.4", "status", 0.9),
    ]
    rows = [row(CODES, code, evidence="", system="x", rank=at, role=role, probability=sure, score=0.5)
            for at, (code, role, sure) in enumerate(given)]  # fmt: skip
    empty = pl.DataFrame(schema=ANNOTATIONS)
    note = NoteView("n", "text", empty, pl.DataFrame(rows, schema=CODES), None)
    text = html.report([note], path=lambda *_: ())
    assert re.findall(r'<tr class="role"><td colspan="3">(.*?)</td>', text) == ["principal", "secondary", "status"]
    assert '<th class="n">Probability' in text
    assert re.findall(r'--p:(\d+%)">(.*?)</span></td>', text) == [
        ("91%", "0.91"),
        ("80%", "0.80"),
        ("70%", "0.70"),
        ("90%", "0.90"),
    ]
    plain = pl.DataFrame([{**one, "role": "", "probability": None} for one in rows], schema=CODES)
    text = html.report([NoteView("n", "text", empty, plain, None)], path=lambda *_: ())
    assert '<th class="n">Score' in text
    assert 'class="role"' not in text


def test_templates_are_loaded_once() -> None:
    assert html._templates().get_template("note.html") is html._templates().get_template("note.html")
    assert html._templates().autoescape is True


def test_no_more_than_the_notes_of_a_page_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "NOTES_ON_A_PAGE", 3)
    files = ReportFiles(tmp_path, n_notes=8, path=lambda *_: (), title="many")
    for at in range(8):
        files.write([hostile(f"n{at}")])
        assert len(list(tmp_path.iterdir())) == (at + 1) // 3, "a page is written when its last note is there"
        assert len(files._waiting) == (at + 1) % 3
    files.finish(facts=(), quarantined=())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"report-{n:04}.html" for n in (1, 2, 3)),
        "report.html",
    ]


def test_many_bad_notes_are_counted_and_the_first_named(tmp_path: Path) -> None:
    files = ReportFiles(tmp_path, n_notes=0, path=lambda *_: (), title="bad")
    bad = [{"where": f"row {at}", "note_id": None, "reason": "no text"} for at in range(1203)]
    files.finish(facts=(), quarantined=bad)
    text = Parsed((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "1,203 notes were not coded" in text
    assert "and 203 more in run.json" in text
    assert "row 999" in text
    assert "row 1000" not in text
