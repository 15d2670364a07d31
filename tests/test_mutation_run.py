"""The mutation run: each mutant is in while it is tried and out afterwards, and what nothing asks for survives."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RULE = """
from dataclasses import dataclass
from functools import cache

LEAST = 2

@dataclass(frozen=True)
class Dose:
    count: int = 1

    @property
    def high(self) -> bool:
        return self.count > LEAST

@cache
def said(count: int, *, denied: bool = False) -> str:
    if denied:
        return "no"
    return "high" if Dose(count).high and Dose().count == 1 else "low"
"""


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", BENCHMARKS / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["mutants"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = tmp_path / "rule.py"
    path.write_text(RULE)
    spec = importlib.util.spec_from_file_location("conceptmap.rule", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "conceptmap.rule", module)
    spec.loader.exec_module(module)
    return module


def survivors(mutants: ModuleType, rule: ModuleType, asked: list[tuple[int, bool]]) -> set[str]:
    """The mutants under which the rule answers as before; under none may it do so later."""
    file = Path(str(rule.__file__))

    def answers() -> list[str]:
        mutants.forget(frozenset({"conceptmap.rule"}))
        try:
            return [rule.said(count, denied=denied) for count, denied in asked]
        except TypeError as error:
            return [str(error)]

    right, survived = answers(), set()
    for mutant in mutants.mutants_of(file, root=file.parent):
        with mutants.put_in(mutant, rule):
            if answers() == right:
                survived.add(str(mutant).removeprefix("rule.py:"))
        assert answers() == right, mutant
    return survived


def test_mutants_reach_functions_caches_properties_constants_and_defaults(
    mutants: ModuleType, rule: ModuleType
) -> None:
    # the default of denied is never used where it is given
    assert survivors(mutants, rule, [(1, True), (2, False), (3, False)]) == {"16 name: False -> True"}


def test_what_no_test_asks_for_survives(mutants: ModuleType, rule: ModuleType) -> None:
    unseen = survivors(mutants, rule, [(1, False), (9, False)])
    assert {"13 swap_op: > LEAST -> >= LEAST", "5 number: 2 -> 3", '18 string: "no" -> "NO"'} <= unseen
    assert "5 assignment: LEAST = 2 -> LEAST = None" not in unseen


def test_a_sample_has_half_decisions_and_is_the_same_for_a_seed(mutants: ModuleType, rule: ModuleType) -> None:
    file = Path(str(rule.__file__))
    everything = mutants.mutants_of(file, root=file.parent)
    sample = mutants.sampled(everything, 12, seed=3)
    assert [mutant.is_decision for mutant in sample] == [True] * 6 + [False] * 6
    assert list(map(str, sample)) == list(map(str, mutants.sampled(everything, 12, seed=3)))
    assert len(set(map(str, sample))) == 12
    assert list(map(str, sample)) != list(map(str, mutants.sampled(everything, 12, seed=4)))


def test_the_run_tells_who_kills_and_goes_on_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits and timers of POSIX")
    out, file = tmp_path / "out.jsonl", "conceptmap/text/remembered.py"
    program = [sys.executable, str(BENCHMARKS / "mutations.py"), str(out), "--sample", "4"]
    for _ in range(2):
        done = subprocess.run([*program, "--only", file, "--tests", file], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    first, *rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["decisions"] + first["others"] > len(rows)
    assert len({row["mutant"] for row in rows}) == len(rows)
    by = {row["by"] for row in rows if row["killed"]}
    assert by == {f"{file}::conceptmap.text.remembered.Remembered"}
    assert f"{len([row for row in rows if row['killed']]):>5} killed by {file}" in done.stdout
