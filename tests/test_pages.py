"""The pages' templates: nothing gets around their escaping, whatever it is in, and no more than a page is held."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest
from jinja2 import UndefinedError

from conceptmap.export import html
from conceptmap.export.aligned import aligned_page
from conceptmap.export.report import pages
from conceptmap.export.report.assets import SCRIPT, asset
from conceptmap.export.report.marks import NoteView
from conceptmap.export.report.pages import ReportFiles
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
CHOSEN = {"k m", "k m idle", "k m off", "k m off neg", "k w", "cand", "cand rest"}
"""Classes of marks and candidates: a note chooses among these, and among colours and lengths of bars."""
MEASURED = re.compile(r"(^| )[hp]\d+(?= |$)")


class Parsed(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.values: dict[str, set[str]] = {}
        self.text = ""
        self.scripts: list[str] = []
        self._last = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self._last = tag
        if tag == "script":
            self.scripts.append("")
        for name, value in attrs:
            self.attributes.add(name)
            self.values.setdefault(name, set()).add(MEASURED.sub("", value or "") if name == "class" else value or "")

    def handle_endtag(self, tag: str) -> None:
        self._last = ""

    def handle_data(self, data: str) -> None:
        if self._last == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    @property
    def hrefs(self) -> set[str]:
        """Where links lead, without the checksum that a note in a notebook has in its anchors."""
        return {re.sub("^#c[0-9a-f]{8}", "#", href) for href in self.values.get("href", ())}


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
    for file in sorted((folder / "run").glob("*.html")):
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
        assert "style" not in page.attributes
        assert not any(name.startswith("on") for name in page.attributes)
        assert page.scripts in ([], [asset(SCRIPT)])
        assert page.values.get("class") == other.values.get("class")
        assert page.hrefs == other.hrefs, "no link leads where a note says"
        assert "\x1b" not in text
        shown = attack.translate({at: 0x2400 + at for at in range(32)})
        assert shown in page.text


def test_what_a_note_chooses_from_is_ours(tmp_path: Path) -> None:
    for text in every_page("x y", tmp_path):
        looks = {look for look in Parsed(text).values.get("class", ()) if re.match(r"(k|cand)\b", look)}
        assert looks <= CHOSEN


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
        "".join(html.page("notes.html", title="a", cards=[], articles=[]))


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


def test_codes_stand_in_groups_by_role_and_chapter(tmp_path: Path) -> None:
    given = [
        ("K35.80", "principal", 0.91),
        ("I10", "secondary", 0.8),
        ("E11.9", "secondary", 0.7),
        ("I50.9", "secondary", 0.6),
        ("Z79.4", "status", 0.9),
        ("Z85.3", "history", 0.5),
    ]
    rows = [row(CODES, code, evidence="", system="x", rank=at, role=role, probability=sure, score=0.5)
            for at, (code, role, sure) in enumerate(given)]  # fmt: skip
    empty = pl.DataFrame(schema=ANNOTATIONS)
    note = NoteView("n", "text", empty, pl.DataFrame(rows, schema=CODES), None)
    text = html.report([note], path=lambda _, code: [(code[0], f"Chapter {code[0]}"), (code[:3], "category")])
    told = re.findall(r"<h3>(.*?)</h3>|</span>([A-Z] Chapter [A-Z])</h4>|<summary><span class=\"c\">(.*?)<", text)
    assert ["".join(one) for one in told] == [
        *("Principal diagnosis", "K Chapter K", "K35.80"),
        *("Secondary diagnoses", "I Chapter I", "I10", "I50.9", "E Chapter E", "E11.9"),
        *("Status and history", "Z Chapter Z", "Z79.4", "Z85.3"),
    ]
    assert "how likely a coder would report it" in text
    bars = re.findall(r'<span class="s p(\d+)">(.*?)</span></summary>', text)
    assert bars[:2] == [("18", "0.91"), ("16", "0.80")]
    plain = pl.DataFrame([{**one, "role": "", "probability": None} for one in rows], schema=CODES)
    text = html.report([NoteView("n", "text", empty, plain, None)], path=lambda *_: ())
    assert "how well the words fit" in text
    assert re.findall(r"<h3>(.*?)</h3>", text) == ["Codes"]


def test_the_policy_lets_the_own_style_and_script_run_alone(harmless: list[Parsed], tmp_path: Path) -> None:
    for text in every_page("word", tmp_path):
        if "<!DOCTYPE" not in text:
            continue
        (told,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
        assert told.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in told
        for inner in re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in told


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
        "report.zip",
    ]


def test_a_page_has_no_more_bytes_than_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_BYTES", 8_000)
    for n_notes in (4, 1):
        folder = tmp_path / str(n_notes)
        folder.mkdir()
        files = ReportFiles(folder, n_notes=n_notes, path=lambda *_: (), title="long")
        files.write([hostile("word " * 100) for _ in range(n_notes)])
        files.finish(facts=(), quarantined=())
        written = {path.name: Parsed(path.read_text(encoding="utf-8")) for path in folder.glob("*.html")}
        ids = {name: page.values.get("id", set()) for name, page in written.items()}
        linked = [link.partition("#") for link in written["report.html"].values["href"] if "#n" in link]
        assert all(anchor in ids[name or "report.html"] for name, _, anchor in linked)
        assert (len(written), (folder / "report.zip").exists()) == ((5, True) if n_notes == 4 else (1, False))


def test_notes_full_of_mentions_are_under_five_megabytes_a_part(tmp_path: Path) -> None:
    text = "Persistent atrial fibrillation with rapid ventricular response. " * 60
    name = "Hypertensive heart and chronic kidney disease with heart failure and stage 1 through 4 kidney disease"
    places = [(at, at + 30) for at in range(0, 60 * 64, 64)]
    told = {"name": name, "system": "icd10cm", "why": "synonym found in the text, near in meaning"}
    mentions = [
        row(ANNOTATIONS, "x", start_char=start, end_char=end, text=text[start:end], mention_id=f"m{start}", rank=rank,
            negated=False, subject="patient", code=f"I4{rank}.91", score=0.5, confidence=0.5, **told)
        for start, end in places
        for rank in range(1, 6)
    ]  # fmt: skip
    ids = " ".join(f"m{start}" for start, _ in places)
    codes = [row(CODES, f"I4{at}.9", name=name, evidence=ids, rank=at, role="secondary") for at in range(20)]
    note = NoteView("n", text, pl.DataFrame(mentions, schema=ANNOTATIONS), pl.DataFrame(codes, schema=CODES))
    files = ReportFiles(tmp_path, n_notes=100, path=lambda *_: [("9", name), ("I30-I5A", name)], title="many")
    files.write(note for _ in range(40))  # a hundred take the tests too long
    files.finish(facts=(), quarantined=())
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert max(sizes.values()) < 5_000_000, sizes
    assert sum(sizes.values()) > 5_000_000, "without parts it would be more"


def test_all_pages_are_in_one_file_whose_bytes_do_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "NOTES_ON_A_PAGE", 2)
    packed = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        files = ReportFiles(tmp_path / run, n_notes=3, path=lambda *_: (), title="three")
        files.write([hostile(f"n{at}") for at in range(3)])
        files.finish(facts=(), quarantined=())
        packed.append((tmp_path / run / "report.zip").read_bytes())
    assert packed[0] == packed[1]
    with ZipFile(tmp_path / "a" / "report.zip") as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert inside == {path.name: path.read_bytes() for path in (tmp_path / "a").glob("*.html")}


def test_many_bad_notes_are_counted_and_the_first_named(tmp_path: Path) -> None:
    files = ReportFiles(tmp_path, n_notes=0, path=lambda *_: (), title="bad")
    bad = [{"where": f"row {at}", "note_id": None, "reason": "no text"} for at in range(1203)]
    files.finish(facts=(), quarantined=bad)
    text = Parsed((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "1,203 notes were not coded" in text
    assert "and 203 more in run.json" in text
    assert "row 999" in text
    assert "row 1000" not in text
