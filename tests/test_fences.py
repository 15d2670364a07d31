"""The fences of the house: who may import what, what is never called, how long a file and a body may be."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "conceptmap"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}

HEAVY = {
    "cupy",
    "matplotlib",
    "narwhals",
    "networkx",
    "pandas",
    "peft",
    "pyarrow",
    "pyoxigraph",
    "scipy",
    "sentence_transformers",
    "spacy",
    "torch",
    "transformers",
}
MODELS = ("adapters/", "encoders/", "topk/")
GRAPHS = ("ontology/",)
HOMES = {
    "cupy": ("topk/gpu",),
    "matplotlib": ("annotated/plots.py",),
    "lightgbm": ("learning/",),
    "narwhals": ("mapper.py", "notes/given.py"),
    "networkx": GRAPHS,
    "obonet": ("readers/",),
    "peft": ("tuning/",),
    "pyoxigraph": ("readers/graphs/",),
    "ray": ("batch/",),
    "scipy": (*GRAPHS, "adapters/"),
    "sentence_transformers": MODELS,
    "spacy": ("annotated/", "pipelines/"),
    "starlette": ("serve/",),
    "torch": (*MODELS, "tuning/"),
    "transformers": MODELS,
    "uvicorn": ("commands/",),
}
STOREYS = (
    {"cli"},
    {"commands"},
    {"serve"},
    {"batch"},
    {"probing", "training", "tuning"},
    {"pipelines"},
    {"mapper", "retrieval"},
    {"annotated", "learning"},
    {"export", "reading"},
    {"evaluation", "learned"},
    {"coding", "linking"},
    {"adapters"},
    {"index"},
    {"encoders", "maps", "matching", "readers", "situations"},
    {"notes", "ontology", "text", "topk"},
    {"data", "files"},
    {"progress"},
    {"errors", "frames", "memory"},
)
"""Rooms, and files of the root, from top to bottom: each may import what stands on a line below its own."""
STRANGERS = {"coding": {"adapters", "encoders", "index"}}
"""What a room may not import though it stands below: coding goes from mentions to codes, whoever found them."""
WHEELS = {"cupy": "cupy-cuda12x", "cupy_backends": "cupy-cuda12x"}
"""What holds a module that may not be installed, where it is named otherwise."""
UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE_CALLS = {"breakpoint", "compile", "eval", "exec", "torch.load", "yaml.load"}
UNSAFE_ARGUMENTS = {"allow_pickle", "trust_remote_code"}


def imports(source: str) -> set[str]:
    """Every module that the source imports anywhere, inside functions too; ``from a import b`` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def top_level(source: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(source)}


def unit(file: str) -> str:
    """The file or folder directly under conceptmap/ that holds this file: the storeys that imports run down."""
    return file.removesuffix(".py").partition("/")[0]


def unsafe(source: str) -> list[str]:
    """Imports and calls that could run what a file holds."""
    found = sorted(top_level(source) & UNSAFE_MODULES)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [name] if name in UNSAFE_CALLS else []
            found += [
                f"{keyword.arg}={ast.unparse(keyword.value)}"
                for keyword in node.keywords
                if keyword.arg in UNSAFE_ARGUMENTS and ast.unparse(keyword.value) != "False"
            ]
    return found


def calls(source: str, name: str) -> list[int]:
    tree = ast.walk(ast.parse(source))
    return [node.lineno for node in tree if isinstance(node, ast.Call) and ast.unparse(node.func) == name]


def long_bodies(source: str, limit: int = 50) -> list[str]:
    return [
        f"{node.name}: {size} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or 0) - code_start(node) + 1) >= limit
    ]


def code_start(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """First line of the body after its docstring."""
    return function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0].lineno


def run_python(code: str) -> list[str]:
    """The list that the code prints as JSON, from a fresh interpreter that writes no bytecode."""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("module", sorted(HOMES))
def test_is_imported_only_at_home(module: str) -> None:
    strangers = [file for file, source in SOURCES.items() if module in top_level(source)]
    assert [file for file in strangers if not file.startswith(HOMES[module])] == []


def module(file: str) -> str:
    """Name of the module that a file under conceptmap/ holds."""
    return ".".join(["conceptmap", *file.removesuffix(".py").removesuffix("__init__").strip("/").split("/")]).rstrip(
        "."
    )


def used_modules(source: str, modules: set[str]) -> set[str]:
    """Which of these modules the source imports; ``from package import module`` is the module alone."""
    named = imports(source) & modules
    through = {name.rpartition(".")[0] for name in named}
    whole = {
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and any(f"{node.module}.{alias.name}" not in modules for alias in node.names)
    }
    return {name for name in named if name not in through or name in whole}


def test_imports_run_downwards() -> None:
    """File by file: nothing leads back to where it came from, inside a folder neither."""
    modules = {module(file) for file in SOURCES} - {"conceptmap"}
    uses = {module(file): used_modules(source, modules) for file, source in SOURCES.items() if file != "__init__.py"}
    try:
        TopologicalSorter({name: used - {name} for name, used in uses.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"these import one another in a circle: {' -> '.join(error.args[1])}")


def climbs(file: str, source: str, modules: set[str]) -> list[str]:
    """Our modules that a file may not import: their room stands no lower than its own, or is a stranger to it."""
    storey = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}
    here = unit(file)
    used = {name: name.split(".")[1] for name in used_modules(source, modules)}
    return sorted(
        name
        for name, room in used.items()
        if room != here and (storey[room] <= storey[here] or room in STRANGERS.get(here, ()))
    )


def test_rooms_import_what_stands_below() -> None:
    modules = {module(file) for file in SOURCES} - {"conceptmap"}
    rooms = {unit(file) for file in SOURCES if file != "__init__.py"}
    assert rooms - set().union(*STOREYS) == set(), "a new room has its line among STOREYS"
    found = {file: climbs(file, source, modules) for file, source in SOURCES.items() if file != "__init__.py"}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        ("text/words.py", "from conceptmap.ontology.dag import Dag", ["conceptmap.ontology.dag"]),
        ("text/words.py", "from conceptmap.data.tables import read_table", []),
        ("coding/coding.py", "from conceptmap.linking.linker import Linker", ["conceptmap.linking.linker"]),
        ("linking/linker.py", "from conceptmap.coding import coding", ["conceptmap.coding.coding"]),
        ("coding/coding.py", "from conceptmap.index.index import ConceptIndex", ["conceptmap.index.index"]),
        ("linking/linker.py", "from conceptmap.index.index import ConceptIndex", []),
        ("coding/coding.py", "from conceptmap.coding.reporting.principal import x", []),
        ("errors.py", "from conceptmap.memory import halved", ["conceptmap.memory"]),
        ("readers/obo.py", "def f():\n    from conceptmap.mapper import Results", ["conceptmap.mapper"]),
    ],
)
def test_the_fence_for_rooms_holds(file: str, line: str, wrong: list[str]) -> None:
    assert climbs(file, line, {module(file) for file in SOURCES} - {"conceptmap"}) == wrong


def test_our_own_tables_are_read_in_one_place() -> None:
    """Another reader would be another answer to what an empty cell or a wrong column is."""
    named = re.compile(r"""["'/]data["'/]""")
    readers = {file for file, source in SOURCES.items() if "resources.files" in source and named.search(source)}
    assert readers == {"data/tables.py", "index/sources.py"}, "the second digests their bytes"


def test_the_map_of_contributing_names_what_is_there() -> None:
    rows = re.findall(r"^\| .* \| (.*) \|$", (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        room = PACKAGE
        for path in re.findall(r"`((?:[a-z_]+/)*(?:[a-z_]+\.(?:py|csv))?)`", row):
            places = [PACKAGE / path, room / path, REPOSITORY / path]
            assert any(place.exists() for place in places), f"{path} in: {row}"
            room = PACKAGE / path if room == PACKAGE and path.endswith("/") else room


def test_rooms_are_small() -> None:
    folders = Counter(file.rpartition("/")[0] for file in SOURCES if not file.endswith("/__init__.py"))
    assert folders.pop("") <= 10, "files in the root, __init__ among them"
    assert {folder: n for folder, n in folders.items() if n > 20} == {}


def test_the_index_knows_no_encoder() -> None:
    """It takes a callable; only the bare record of token vectors is shared."""
    encoders = {name for name in imports(SOURCES["index/index.py"]) if name.startswith("conceptmap.encoders")}
    record = "conceptmap.encoders.embeddings"
    assert {name for name in encoders if not name.startswith(record)} == set()


def test_every_third_party_import_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    declared = {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower().replace("_", "-") for line in wanted}
    homes = packages_distributions()
    foreign = set().union(*map(top_level, SOURCES.values())) - sys.stdlib_module_names - {"conceptmap"}
    shipped = {name: homes.get(name, [WHEELS.get(name, name)]) for name in foreign}
    owners = {name: {owner.lower().replace("_", "-") for owner in names} for name, names in shipped.items()}
    assert {name for name, names in owners.items() if not names & declared} == set()


def test_importing_loads_nothing_heavy_and_reads_no_file() -> None:
    """Beside the modules themselves, that is."""
    code = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import conceptmap
print(json.dumps([name for name in sys.modules] + ["read " + path for path in opened]))
"""
    seen = run_python(code)
    assert HEAVY & set(seen) == set()
    assert [line for line in seen if line.startswith("read ") and not line.endswith((".py", ".pyc"))] == []


def test_help_loads_nothing_heavy() -> None:
    code = """
import contextlib, io, json, sys
from conceptmap.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["--help"])
print(json.dumps(list(sys.modules)))
"""
    assert HEAVY & set(run_python(code)) == set()


def test_nothing_unsafe_is_called() -> None:
    assert {file: found for file, source in SOURCES.items() if (found := unsafe(source))} == {}


def test_the_library_never_prints() -> None:
    quiet = {file: source for file, source in SOURCES.items() if unit(file) not in {"cli", "commands"}}
    assert {file: lines for file, source in quiet.items() if (lines := calls(source, "print"))} == {}


def test_files_are_short() -> None:
    assert {file: n for file, source in SOURCES.items() if (n := len(source.splitlines())) >= 400} == {}


def test_bodies_are_short() -> None:
    assert {file: found for file, source in SOURCES.items() if (found := long_bodies(source))} == {}


def test_a_name_of_a_class_means_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for file, source in SOURCES.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(file)
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_a_code_is_never_a_number() -> None:
    """Positions of concepts are called so: ``concept``."""
    numbers = re.compile(r"\bcodes?: (?:int\b|\w+\[int\b|NDArray\[np\.int)")
    theirs = ("cli.py", "topk/", "commands/")  # exit codes; the numbers that a search multiplies first
    found = {file: numbers.findall(source) for file, source in SOURCES.items() if not file.startswith(theirs)}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_nothing_is_left_unfinished() -> None:
    marks = re.compile("TO" + "DO|FIX" + "ME|raise NotImplemented")
    assert [file for file, source in SOURCES.items() if marks.search(source)] == []


def test_every_public_name_is_there() -> None:
    import conceptmap

    assert [name for name in conceptmap.__all__ if getattr(conceptmap, name, None) is None] == []
    assert dir(conceptmap) == sorted(conceptmap.__all__)
    typed = {name.removeprefix("conceptmap.").rpartition(".") for name in imports(SOURCES["__init__.py"])}
    homes = {(home.removeprefix("conceptmap."), ".", name) for name, home in conceptmap._HOME.items()}
    assert homes <= typed, "the TYPE_CHECKING block and the table name the same homes"
    assert {name for _, _, name in homes} | {"__version__"} == set(conceptmap.__all__)
    with pytest.raises(AttributeError, match="ConceptMapper"):
        _ = conceptmap.Mapper


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from joblib import load", ["joblib"]),
        ("def f(x):\n    return eval(x)", ["eval"]),
        ("import torch\ntorch.load('w.pt')", ["torch.load"]),
        ("AutoModel.from_pretrained(n, trust_remote_code=remote)", ["trust_remote_code=remote"]),
        ("AutoModel.from_pretrained(n, trust_remote_code=False)", []),
        ("re.compile('a')", []),
    ],
)
def test_the_fence_for_unsafe_calls_holds(bad: str, found: list[str]) -> None:
    assert unsafe(bad) == found


def test_the_fence_for_long_bodies_holds() -> None:
    body = "    x = 1\n"
    assert long_bodies("def f():\n" + body * 49) == []
    assert long_bodies("def f():\n    '''Says what.'''\n" + body * 49) == []
    assert long_bodies("def f():\n" + body * 50) == ["f: 50 lines"]


def test_the_fence_for_imports_sees_inside_functions() -> None:
    assert imports("def f():\n    from scipy import sparse") == {"scipy", "scipy.sparse"}
