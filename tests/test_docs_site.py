"""The site of ``make docs``: it builds without a warning, its links and headings are there, it fetches nothing."""

from __future__ import annotations

import argparse
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from docs_site import (
    Page,
    build,
    cell,
    command_section,
    commands_page,
    faults,
    named_pages,
    names_page,
    plain_tables,
    settings,
    verdict,
    ways,
)

import conceptmap
from conceptmap.cli import _parser

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs"))


def test_every_link_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    assert list(faults(site)) == []


def test_every_page_stands_in_the_navigation(site: Path) -> None:
    source = site.with_name("src")
    named = named_pages(site.with_name("zensical.toml").read_text(encoding="utf-8"))
    assert named == {path.relative_to(source).as_posix() for path in source.rglob("*.md")}


def test_a_page_that_stands_nowhere_comes_last(tmp_path: Path) -> None:
    for page in ("docs/b.md", "docs/c.md", "docs/README.md", "new.md"):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).touch()
    (tmp_path / "docs" / "zensical.toml").write_text('nav = [\n  "docs/*.md",\n@REST@]\n', encoding="utf-8")
    first, rest = settings(tmp_path).split('{ "More"')
    assert re.findall(r"\S+\.md", first) == ['"docs/README.md', '"docs/b.md', '"docs/c.md']
    assert named_pages(rest) == {"new.md"}


def test_every_public_name_has_its_reference(site: Path) -> None:
    anchors = Page((site / "docs" / "names.html").read_text(encoding="utf-8")).anchors
    assert [name for name in conceptmap.__all__ if name != "__version__" and f"conceptmap.{name}" not in anchors] == []
    assert "conceptmap.ConceptMapper.annotate" in anchors
    assert names_page().count(":::") == len(conceptmap.__all__) - 1


def test_every_option_has_its_line() -> None:
    page = commands_page()
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        section = command_section(name, command)
        assert section in page
        for option in command._actions:
            if option.dest != "help" and option.help != argparse.SUPPRESS:
                assert all(f"`{way}`" in section for way in ways(option))


def test_cells_hold_any_text() -> None:
    assert cell("a|b *c*\n  _d_ <e>") == r"a\|b \*c\* \_d\_ \<e\>"


def test_tables_of_notebooks_look_like_the_others() -> None:
    style = "<style>\n.dataframe > tbody {}\n</style>"
    table = '<table border="1" class="dataframe"><tr><td>&quot;I10&quot;</td><td>&quot;cut o…</td></tr></table>'
    kept = "<style>.note {}</style>"
    assert plain_tables(style + table + kept) == "<table><tr><td>I10</td><td>cut o…</td></tr></table>" + kept


def test_faults_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h2 id="there">x</h2>', encoding="utf-8")
    (tmp_path / "a.css").write_text('@import "https://example.org/f.css"; b{background:url(//x)}', encoding="utf-8")
    right = '<a href="other.html#there">a</a><a href="https://example.org/x">b</a><img src="a.css"><img src="data:,x">'
    wrong = (
        '<a href="other.html#gone">',
        '<a href="gone.html">',
        '<a href="#gone">',
        '<a href="https://">',
        '<a href="ftp://example.org">',
        '<img src="gone.png">',
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="//example.org/x.css">',
    )
    (tmp_path / "page.html").write_text(right, encoding="utf-8")
    before = list(faults(tmp_path))
    assert before == ['a.css: loads "https://example.org/f.css"']
    (tmp_path / "page.html").write_text(right + "".join(wrong), encoding="utf-8")
    assert len(list(faults(tmp_path))) == len(before) + len(wrong)
    assert verdict([]) == 0
    assert verdict(["a", "b"]) == "a\nb"


def test_code_of_notebooks_is_shown_as_python(site: Path) -> None:
    page = (site / "notebooks" / "quickstart.html").read_text(encoding="utf-8")
    assert page.count('class="language-python') >= 10


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_asks_nobody_else(address: str) -> None:
    """Search included, whose index a script fetches."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        with page.expect_request("**/search.json"):
            page.goto(f"{address}/docs/names.html")
            page.keyboard.press("Control+k")
            page.keyboard.type("roll-up")
        browser.close()
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
