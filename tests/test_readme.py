"""Runs what the pages show, from top to bottom: every ``python`` block, every command of a ``console`` block.

A ``text`` block right after a ``python`` block is what it prints; in a ``console`` block the lines under a command are
what it prints on stdout. Both are compared the way doctest does, with ``...`` standing for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
from pathlib import Path

import pytest

from conceptmap.cli import main

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "docs/tutorial.md", "docs/command-line.md", "docs/python.md", "docs/evaluation.md")
"""Pages whose Python and commands are run."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def examples(text: str) -> list[tuple[str, str, str | None]]:
    """What a page runs, in order: its language, the code or command, and what it prints where that is shown."""
    found = blocks(text)
    following = [*found[1:], ("", "")]
    ran: list[tuple[str, str, str | None]] = []
    for (language, body), (after, printed) in zip(found, following, strict=True):
        if language == "python":
            ran.append(("python", body, printed if after == "text" else None))
        elif language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, output = part.replace("\\\n", " ").partition("\n")
                ran.append(("console", command, output if output.strip() else None))
    return ran


def run_command(command: str) -> None:
    words = shlex.split(command, comments=True)
    assert words[0] == "conceptmap", "console blocks hold only conceptmap commands; others go into a sh block"
    assert main(words[1:]) == 0, command


def assert_shows(expected: str, got: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, got, options), f"expected:\n{expected}\ngot:\n{got}"


@pytest.mark.parametrize("page", PAGES)
def test_pages_do_what_they_say(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with nothing in it but the examples, as a fresh clone has."""
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    names: dict[str, object] = {}
    shown = examples((REPOSITORY / page).read_text(encoding="utf-8"))
    assert shown
    for language, code, expected in shown:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if language == "python":
                exec(compile(code, page, "exec"), names)
            else:
                run_command(code)
        if expected is not None:
            assert_shows(expected, printed.getvalue())


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)|<img [^>]*src=\"([^\"]+)\"", README)
    local = [link for pair in links for link in pair if link and not link.startswith(("http:", "https:"))]
    assert local
    assert [link for link in local if not (REPOSITORY / link).exists()] == []


def test_a_block_is_read_with_its_output() -> None:
    text = "```python\nprint(1)\n```\n\n```text\n1\n```\n```console\n$ conceptmap info x \\\n  --verify\nok\n```\n"
    assert examples(text) == [
        ("python", "print(1)\n", "1\n"),
        ("console", "conceptmap info x    --verify", "ok\n"),
    ]
    with pytest.raises(AssertionError):
        assert_shows("ok ...\n", "no\n")
    with pytest.raises(AssertionError, match="only conceptmap commands"):
        run_command("ls")
