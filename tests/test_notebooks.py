"""Every notebook runs from top to bottom, and its kept outputs are what comes out now."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from kept_notebooks import FOLDER, NOTEBOOKS, executed, shown

UNSTEADY = re.compile(r"/home/|/tmp/|/root/|/work/|0x[0-9a-f]{6,}|\b\d+(?:\.\d+)? ?(?:s|ms|seconds|words/s)\b")
"""Paths, addresses and times: what no second run shows again."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs_and_keeps_its_outputs(path: Path) -> None:
    kept = shown(nbformat.read(path, as_version=4))
    assert any(kept), "save the notebook with its outputs"
    assert shown(executed(path)) == kept, "type: make notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_the_same_every_time_and_no_warning(path: Path) -> None:
    for cell in shown(nbformat.read(path, as_version=4)):
        for kind, text in cell:
            assert kind not in ("stderr", "error")
            assert not UNSTEADY.search(text), text


def test_every_lesson_is_listed() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.ipynb)\)", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in NOTEBOOKS}
    assert "quickstart.ipynb" in listed
