"""The notebooks with their kept outputs: ``make notebooks`` runs them all and keeps what comes out."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
_DECIMALS = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+)?\b")
"""Another processor may round cosines otherwise."""


def executed(path: Path) -> Any:
    """The notebook as it comes out now; nothing in it says when, where or by what it was run."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources, record_timing=False).execute()
    return notebook


def shown(notebook: Any) -> list[list[tuple[str, str]]]:
    """For each code cell its outputs: their kind, and their text but for decimals."""
    return [[_shown(output) for output in cell.outputs] for cell in notebook.cells if cell.cell_type == "code"]


def _shown(output: Any) -> tuple[str, str]:
    data = output.get("data", {})
    kind = output.get("name") or " ".join(sorted(data)) or "error"
    text = output.get("text") or data.get("text/plain", "")
    return kind, _DECIMALS.sub("#", text)


def keep(path: Path) -> None:
    """Run a notebook and write it with its outputs."""
    notebook = executed(path)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    for place, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{place}", {}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for notebook_path in map(Path, sys.argv[1:]) if sys.argv[1:] else NOTEBOOKS:
        keep(notebook_path)
