"""A fork of a process that has loaded a mapper says so; it does not wait for threads that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_mapper import index

AFTER_LOADING = """
import os, sys
import polars as pl
import conceptmap as cm

notes = pl.DataFrame({"note_id": ["1"], "text": ["fever"]})
mapper = cm.ConceptMapper.load(sys.argv[1], encoder=None)
assert mapper.code(notes).height == 1
if os.fork() == 0:
    for work in (
        lambda: mapper.code(notes),
        lambda: mapper.spans(notes, notes),
        lambda: mapper.tag("fever"),
        lambda: cm.ConceptMapper.load(sys.argv[1], encoder=None),
    ):
        try:
            work()
            os._exit(1)
        except cm.errors.InputError as error:
            assert "spawn" in str(error)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""

BEFORE_LOADING = """
import os, sys
import polars as pl
import conceptmap as cm

if os.fork() == 0:
    mapper = cm.ConceptMapper.load(sys.argv[1], encoder=None)
    os._exit(mapper.code(pl.DataFrame({"note_id": ["1"], "text": ["fever"]})).height)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) - 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
@pytest.mark.parametrize("program", [AFTER_LOADING, BEFORE_LOADING], ids=["after loading", "before"])
def test_a_fork_works_or_is_told_what_to_do(program: str, tmp_path: Path) -> None:
    folder = index().save(tmp_path / "index")
    command = [sys.executable, "-W", "ignore", "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
