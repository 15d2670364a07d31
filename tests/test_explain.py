"""``code --explain NOTE`` prints how one note is coded, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptmap.cli import main

NOTE = "HPI: fever, no rash.\n\nHOSPITAL COURSE: lobar pneumonia, acute kidney injury.\n"


def test_every_step_that_made_or_dropped_a_code_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n1.txt").write_text(NOTE)
    (tmp_path / "n2.txt").write_text("Gout.")
    assert main(["code", str(tmp_path), "--explain", "n1", "--encoder", "none"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("setting: inpatient")
    assert "J18.1  Lobar pneumonia, unspecified organism (principal, present on admission Y" in told
    assert "proposed as principal diagnosis: first under hospital course" in told
    assert "integral to J18.1 (I.B.5)" in told.split("taken away:")[1]
    assert "R21, negated" in told.split("mentions that give no code of their own:")[1]
    assert "M10.9" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n1.txt", "n2.txt"]


def test_a_note_that_there_is_not_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n1.txt").write_text(NOTE)
    assert main(["code", str(tmp_path), "--explain", "n9", "--encoder", "none"]) == 2
    assert "n9" in capsys.readouterr().err


def test_results_need_a_folder_or_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n1.txt").write_text(NOTE)
    assert main(["code", str(tmp_path), "--encoder", "none"]) == 2
    assert "--explain NOTE" in capsys.readouterr().err
