"""Do the tests notice when a rule is broken? A sample of mutants of text/, matching/ and coding/, and who kills them.

    nice -n 15 python benchmarks/mutations.py OUT.jsonl [--seed 1] [--sample 400] [--seconds 5]
    python benchmarks/mutations.py OUT.jsonl --report

One process: it collects the tests, runs each once under coverage (what it reaches, how long it takes; kept in
``--map``, whose lines move with later changes), then puts one mutant after the other into the loaded program
(``mutants.py``) and runs the tests that reach its lines, those that name its module and the fastest first, until one
fails or ``--seconds`` of tests are spent. A mutant of lines that few tests reach, as loading and tables that are read
once are, is tried again with nothing loaded. A kill counts only where the same test passes once the mutant is out.
Called again with the same file it goes on where it was. Half of the sample are decisions (conditions, comparisons,
numbers), half the others; the rate weighs both by their number.

The rate is a lower bound: a mutant that survives here may be killed by a slower test, or by one of ``_ELSEWHERE``.
What no test reaches has survived. ``--survivors OLD.jsonl`` takes the survivors of a run, ``--only`` mutants of some
files, ``--tests`` some tests.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import json
import math
import os
import random
import re
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from mutants import ROOT, Mutant, NotLoadedError, dependents, forget, mutants_of, note_remembered, put_in, sampled

ROOMS = ("text", "matching", "coding")
_RELEVANT = re.compile(r"conceptmap\.(text|matching|coding)|whole_release|coded_release|coded_mapper|ConceptMapper")
_ELSEWHERE = (
    "adapters adapting alignment annotated batch bench canaries changes cli command_line cosine_scale "
    "default_encoder device_vectors docs_site encoders_embedded engines evaluate export faults fences for_people "
    "foreign foreign_models forks full_disk given growth hubs index learning maps more_exports mutation_run "
    "mutations nearest note_folders notebooks outputs outputs_page owned pages plots probe read_back readable "
    "readme report_page resume reviewed rollup search_codes serve serve_search served_page shards shipped_adapter "
    "spacy terminal umls"
).split()
"""Tests about other things that also annotate a note; most take long."""
FEW = 5
"""A line that so few tests reach is one of what is done once."""
AT_ONCE = 250
"""After so many tests the map is written."""
LOADING = "loading the module"


def test_files() -> list[str]:
    """The doctests of the rooms, and the tests that name the rooms or annotate notes."""
    left_out = {f"test_{name}" for name in _ELSEWHERE}
    tests = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if path.stem not in left_out]
    told = [path for path in tests if _RELEVANT.search(path.read_text(encoding="utf-8"))]
    return [f"conceptmap/{room}" for room in ROOMS] + [path.relative_to(ROOT).as_posix() for path in told]


def sources() -> list[Path]:
    """The files of the rooms."""
    return [path for room in ROOMS for path in sorted((ROOT / "conceptmap" / room).rglob("*.py"))]


class Hang(BaseException):
    """A mutant takes far longer than the original."""


@dataclass(eq=False)
class Watch:
    """A plugin of pytest that maps the tests and runs the mutants, instead of running the tests once.

    Attributes:
        out: where a row for every mutant goes.
        map: where ``reached`` and ``took`` are kept.
        chosen: the mutants.
        seconds: so many seconds of tests a mutant has to survive.
        took: seconds of processor time of each test.
        reached: the tests that reach a line, by file and line, as numbers of rows of ``took``.
    """

    out: Path
    map: Path
    chosen: Sequence[Mutant]
    seconds: float
    terminal: Any
    failed: bool = False
    reached: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    items: dict[str, Any] = field(default_factory=dict)
    globals: dict[str, dict[str, Any]] = field(default_factory=dict)

    def pytest_collection(self) -> None:
        """Property tests need not look for the smallest example."""
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings(), phases=phases)
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        """Note a failure."""
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: Any) -> bool:  # noqa: ANN401
        """Map the tests, then run the mutants."""
        self.items = {item.nodeid: item for item in session.items}
        self.globals = {name: dict(item.dtest.globs) for name, item in self.items.items() if hasattr(item, "dtest")}
        self.map_tests()
        more = resource.getrlimit(resource.RLIMIT_AS)[1]
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + (16 << 30), more))
        done = {row["mutant"] for row in rows(self.out)}
        for number, mutant in enumerate(self.chosen, start=1):
            if str(mutant) not in done:
                start = time.process_time()
                row = {"mutant": str(mutant), "decision": mutant.is_decision, **self.outcome(mutant)}
                write(self.out, row | {"seconds": round(time.process_time() - start, 2)})
            self.say(f"{number} of {len(self.chosen)} mutants")
        return True

    def say(self, text: str) -> None:
        """Progress, on one line of the terminal."""
        self.terminal.write(f"\r{text:<60.110}")
        self.terminal.flush()

    def passes(self, name: str) -> bool:
        """Whether a test passes."""
        self.failed = False
        item = self.items[name]
        if name in self.globals:  # which a doctest empties when it has run
            item.dtest.globs = dict(self.globals[name])
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed

    def map_tests(self) -> None:
        """Run every test that is not in the map under coverage: how long it takes and which lines it reaches."""
        if self.map.is_file():
            known = json.loads(self.map.read_text(encoding="utf-8"))
            now = written()
            self.took = known["took"]
            self.reached = {
                path: moved(lines, known["sources"].get(path, ""), now.get(path, ""))
                for path, lines in known["reached"].items()
            }
        new = [name for name in self.items if name not in self.took]
        for first in range(0, len(new), AT_ONCE):
            self.map_some(new[first : first + AT_ONCE])
            self.say(f"{min(first + AT_ONCE, len(new))} of {len(new)} tests")
            known = {"sources": written(), "took": self.took, "reached": self.reached}
            self.map.write_text(json.dumps(known), encoding="utf-8")

    def map_some(self, names: Sequence[str]) -> None:
        """Add some tests to the map."""
        import coverage

        measured = coverage.Coverage(data_file=None, source=[str(ROOT / "conceptmap" / room) for room in ROOMS])
        numbers = {name: number for number, name in enumerate([*self.took, *names])}
        measured.start()
        for name in names:
            measured.switch_context(name)
            start = time.process_time()
            passed = self.passes(name)
            self.took[name] = time.process_time() - start if passed else math.inf
            if not passed:
                self.say(f"fails without a mutant, left out: {name}\n")
        measured.stop()
        data = measured.get_data()
        for path in data.measured_files():
            lines = self.reached.setdefault(Path(path).relative_to(ROOT).as_posix(), {})
            for line, reaching in data.contexts_by_lineno(path).items():
                lines.setdefault(str(line), []).extend(numbers[name] for name in reaching if name)

    def tests_of(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """The tests that reach a mutant, and those that reach other lines of its file, the fastest first."""
        by_line = self.reached.get(mutant.path, {})
        reaching: set[int] = set()
        for wanted in _places(mutant):
            reaching = reaching or {test for number in wanted for test in by_line.get(str(number), ())}
        others = {test for by in by_line.values() for test in by} - reaching
        named = _named(mutant)
        if mutant.targets:  # who uses a constant may have asked a remembered answer, or another module
            reaching, others = reaching | others, set()
        reaching |= {number for number, name in enumerate(self.took) if name.endswith(named)}  # tables are read once
        return self._sorted(reaching, named), self._sorted(others, named)

    def _sorted(self, tests: set[int], named: str) -> list[str]:
        """The names of tests, those that name the module before others, the faster before the slower."""
        names = list(self.took)
        there = [name for name in map(names.__getitem__, tests) if name in self.items and self.took[name] < math.inf]
        return sorted(there, key=lambda name: (not name.endswith(named), self.took[name], name))

    def outcome(self, mutant: Mutant) -> dict[str, object]:
        """Who kills a mutant, after how many tests."""
        names, others = self.tests_of(mutant)
        name = mutant.path.removesuffix(".py").replace("/", ".")
        module, killer, tried = importlib.import_module(name), "", 0
        resting: frozenset[str] | None = dependents(name)
        try:
            with put_in(mutant, module):
                forget(resting)
                killer, tried = self.killer(names)
                few = sum(not name.endswith(_named(mutant)) for name in names) <= FEW
                if not killer and (names or mutant.targets) and few:
                    forget(None)
                    killer, tried = self.killer([*names, *others])
                    resting = None
        except NotLoadedError:
            killer = LOADING
        forget(resting)
        if killer not in {"", LOADING} and not self.passes(killer):
            forget(None)  # something that the caches do not show was made while the mutant was in
        if killer not in {"", LOADING} and self.failed and not self.passes(killer):
            self.took[killer] = math.inf
            self.say(f"fails without a mutant, left out: {killer}\n")
            return self.outcome(mutant)
        return {"killed": bool(killer), "by": killer, "tests": tried, "reached": len(names)}

    def killer(self, names: Sequence[str]) -> tuple[str, int]:
        """The first test that fails, and how many were run."""
        spent, tried = 0.0, 0
        with contextlib.suppress(Hang), at_most(30 + 4 * self.seconds):
            for name in names:
                spent, tried = spent + self.took[name], tried + 1
                if spent > self.seconds and tried > 1:
                    return "", tried - 1
                if not self.passes(name):
                    return name, tried
            return "", tried
        return names[tried - 1], tried


def _named(mutant: Mutant) -> str:
    """What the names of tests end with that are about a mutant's module."""
    return f"[{mutant.path.removesuffix('.py').partition('/')[2].replace('/', '.')}]"


def _places(mutant: Mutant) -> Iterator[Sequence[int]]:
    """Lines that say who reaches a mutant, best first: its own, its statement's, those that name what it assigns."""
    for first, last in (mutant.lines, mutant.statement):
        yield range(first, last + 1)
    if mutant.targets:
        used = re.compile(r"\b(" + "|".join(map(re.escape, mutant.targets)) + r")\b")
        source = (ROOT / mutant.path).read_text(encoding="utf-8").splitlines()
        yield [number for number, line in enumerate(source, start=1) if used.search(line)]


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise ``Hang`` after so many seconds of this process's time."""

    def hang(_: int, __: FrameType | None) -> None:
        raise Hang

    signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def written() -> dict[str, str]:
    """The sources, by file."""
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sources()}


def moved(lines: dict[str, list[int]], before: str, now: str) -> dict[str, list[int]]:
    r"""Who reaches the lines of a file after it was changed: a changed line keeps the tests of those that it replaced.

    >>> moved({"1": [7], "2": [8]}, "a\nb", "new\na\nc")
    {'1': [], '2': [7], '3': [8]}
    """
    if before == now:
        return lines
    out: dict[str, list[int]] = {}
    same = difflib.SequenceMatcher(None, before.splitlines(), now.splitlines(), autojunk=False)
    for kind, first, last, new_first, new_last in same.get_opcodes():
        for new in range(new_first, new_last):
            old = (first + new - new_first,) if kind == "equal" else (range(first, last) or (first - 1,))
            out[str(new + 1)] = sorted({test for line in old for test in lines.get(str(line + 1), ())})
    return out


# -- outcomes ---------------------------------------------------------------------------------------------------------


def rows(path: Path) -> list[dict[str, Any]]:
    """What is known already."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def write(path: Path, row: dict[str, object]) -> None:
    """Add a row."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def report(path: Path) -> str:
    """The rates with their 95 % intervals, and the mutants that survived."""
    first, *outcomes = rows(path)
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for row in outcomes:
        kind = "decisions" if row["decision"] else "others"
        operator = row["mutant"].split(": ")[0].split()[-1]
        for group in (kind, row["mutant"].split("/")[1], f"{kind}, {operator}"):
            groups[group].append(row["killed"])
    told = [
        f"{name:<32} {sum(killed):>4} of {len(killed):>4}  {share(killed)}" for name, killed in sorted(groups.items())
    ]
    kinds = {kind: groups[kind] for kind in ("decisions", "others") if groups[kind]}
    total = sum(first[kind] for kind in kinds)
    rate = sum(first[kind] / total * sum(killed) / len(killed) for kind, killed in kinds.items())
    spread = sum((first[kind] / total) ** 2 * _variance(killed) for kind, killed in kinds.items())
    told.append(f"all {total} mutants, weighed: {rate:.1%} ± {1.96 * math.sqrt(spread):.1%}, seed {first['seed']}")
    by = Counter(row["by"].split("::")[0] for row in outcomes if row["killed"])
    told += [f"{number:>5} killed by {name}" for name, number in by.most_common()]
    told += [f"{row['tests']:>5} tests  {row['mutant']}" for row in outcomes if not row["killed"]]
    return "\n".join(told) + "\n"


def share(killed: Sequence[bool]) -> str:
    """A share and Wilson's interval."""
    n, p, z = len(killed), sum(killed) / len(killed), 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{p:.1%} ({(middle - half) / (1 + z * z / n):.1%} to {(middle + half) / (1 + z * z / n):.1%})"


def _variance(killed: Sequence[bool]) -> float:
    p = sum(killed) / len(killed)
    return p * (1 - p) / len(killed)


def main() -> None:
    """Run the mutants, then report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tests", nargs="+", default=test_files())
    parser.add_argument("--map", type=Path)
    parser.add_argument("--only", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--survivors", type=Path)
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    if not asked.report:
        run(asked)
    sys.stdout.write(report(asked.out))


def run(asked: argparse.Namespace) -> None:
    """Run the mutants that are asked for."""
    import pytest

    files = [(ROOT / path).resolve() for path in asked.only] or sources()
    everything = [mutant for path in files for mutant in mutants_of(path, root=ROOT)]
    chosen = sampled(everything, asked.sample, seed=asked.seed)
    if asked.survivors:
        survived = {row["mutant"] for row in rows(asked.survivors)[1:] if not row["killed"]}
        chosen = [mutant for mutant in everything if str(mutant) in survived]
    random.Random(asked.seed).shuffle(chosen)  # so that a run that is stopped is a sample too
    if not asked.out.is_file():
        kinds = Counter(mutant.is_decision for mutant in everything)
        write(asked.out, {"mutant": "", "seed": asked.seed, "decisions": kinds[True], "others": kinds[False]})
    note_remembered()
    os.chdir(ROOT)
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts=", "--doctest-modules"]
    watch = Watch(
        asked.out, asked.map or asked.out.with_suffix(".map.json"), chosen, asked.seconds, os.fdopen(os.dup(2), "w")
    )
    pytest.main([*options, "--import-mode=importlib", *asked.tests], plugins=[watch])
    if not watch.took:
        raise SystemExit("no test was run: does `python -m pytest --collect-only` work?")


if __name__ == "__main__":
    main()
