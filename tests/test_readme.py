"""Runs what the pages show: every ``python`` block, and every ``conceptmap`` line of the README's ``console`` blocks.

A ``text`` block right after a ``python`` block is what it prints; in a ``console`` block the lines under a command are
what it prints on stdout. Both are compared the way doctest does, with ``...`` standing for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "docs/python.md")
"""Pages whose Python and commands are run."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def python_examples(text: str) -> list[tuple[str, str | None]]:
    """Each python block with the text block that follows it, if one does."""
    found = blocks(text)
    following = [*found[1:], ("", "")]
    return [
        (code, expected if after == "text" else None)
        for (language, code), (after, expected) in zip(found, following, strict=True)
        if language == "python"
    ]


def console_examples(text: str) -> list[tuple[str, str]]:
    """Each command after a ``$`` with the output shown under it, ``\\``-continued lines joined."""
    commands = []
    for language, body in blocks(text):
        if language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, output = part.replace("\\\n", " ").partition("\n")
                commands.append((command, output))
    return commands


def assert_shows(expected: str, got: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, got, options), f"expected:\n{expected}\ngot:\n{got}"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with the examples in it, as a fresh clone has."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_print_what_they_say(page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, object] = {}
    examples = python_examples((REPOSITORY / page).read_text(encoding="utf-8"))
    assert examples
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), names)
        if expected is not None:
            assert_shows(expected, printed.getvalue())


@pytest.mark.parametrize(("command", "expected"), console_examples(README))
def test_console_blocks_print_what_they_say(workplace: Path, command: str, expected: str) -> None:
    words = shlex.split(command, comments=True)
    assert words[0] == "conceptmap", "console blocks hold only conceptmap commands; others go into a sh block"
    environment = {**os.environ, "COLUMNS": "100"}
    line = [sys.executable, "-c", "import sys; from conceptmap.cli import main; sys.exit(main())", *words[1:]]
    done = subprocess.run(line, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if expected.strip():
        assert_shows(expected, done.stdout)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)|<img [^>]*src=\"([^\"]+)\"", README)
    local = [link for pair in links for link in pair if link and not link.startswith(("http:", "https:"))]
    assert local
    assert [link for link in local if not (REPOSITORY / link).exists()] == []


def test_a_block_is_read_with_its_output() -> None:
    text = "```python\nprint(1)\n```\n\n```text\n1\n```\n```console\n$ conceptmap info x \\\n  --verify\nok\n```\n"
    assert python_examples(text) == [("print(1)\n", "1\n")]
    assert console_examples(text) == [("conceptmap info x    --verify", "ok\n")]
    with pytest.raises(AssertionError):
        assert_shows("ok ...\n", "no\n")
