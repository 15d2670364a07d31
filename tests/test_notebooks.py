"""Executes every notebook from top to bottom and checks that its kept outputs are of the kind that come out now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def kinds(notebook: Any) -> list[list[str]]:
    """For each code cell the kinds of its outputs: ``stdout``, ``text/html text/plain`` ..."""
    return [
        [output.get("name") or " ".join(sorted(output.get("data", ["error"]))) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs_and_keeps_its_outputs(path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(fresh, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert any(kinds(kept)), "save the notebook with its outputs"
    assert kinds(fresh) == kinds(kept)


def test_there_is_a_quickstart() -> None:
    assert (FOLDER / "quickstart.ipynb") in NOTEBOOKS
