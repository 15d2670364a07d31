"""The examples on the ontologies' pages run, on the invented releases."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.parametrize("page", ["README", "snomedct", "umls", "icd10"])
def test_the_examples_run(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    result = doctest.testfile(str(REPOSITORY / "ontologies" / f"{page}.md"), module_relative=False)
    assert result.attempted >= 3
    assert not result.failed
