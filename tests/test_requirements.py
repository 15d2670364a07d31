"""requirements.lock, constraints.txt and the list of licences belong together."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version

from licences import ROOT, licence_of, pinned, plain, rows

LOCK, CONSTRAINTS = ROOT / "requirements.lock", ROOT / "constraints.txt"


def test_the_lock_has_the_versions_that_the_tests_run_with() -> None:
    locked, constrained = pinned(LOCK), pinned(CONSTRAINTS)
    assert {name: locked[name] for name in locked.keys() & constrained} == {
        name: constrained[name] for name in locked.keys() & constrained
    }
    # what constraints.txt does not name comes with PyTorch's CUDA or is for another system
    others = locked.keys() - constrained
    assert all(re.match(r"nvidia-|cuda-|triton$|colorama$", name) for name in others), sorted(others)


def test_the_lock_holds_every_dependency_and_no_tool() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {plain(re.split(r"[<>=!~;\[ ]", line)[0]) for line in project["dependencies"]}
    assert wanted <= pinned(LOCK).keys()
    assert pinned(LOCK).keys().isdisjoint({"pytest", "ruff", "mypy", "hypothesis", "ray", "uv", "conceptmap"})


def test_everything_in_the_lock_has_a_hash_and_no_host_is_named() -> None:
    text = LOCK.read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pinned(LOCK))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}$", entry, re.MULTILINE) for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_every_package_has_its_licence_in_the_docs() -> None:
    listed = rows()
    assert {name: of for name, (of, _) in listed.items()} == pinned(LOCK)
    for name, (of, licence) in listed.items():
        if is_there(name, of):
            assert licence == licence_of(name, of)


def is_there(name: str, wanted: str) -> bool:
    try:
        return version(name).split("+")[0] == wanted
    except PackageNotFoundError:
        return False
