"""Mutants of source files, made by mutmut's operators and one of ours, and put into the running program.

A mutant is one small change: ``or`` for ``and``, ``<=`` for ``<``, another number or text, an argument left out, a
condition that never or always holds. It is put into loaded modules by exchanging code objects, defaults and constants,
so that indexes stay loaded, and taken out again.
"""

from __future__ import annotations

import functools
import random
import re
import sys
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

__all__ = [
    "ROOT",
    "Mutant",
    "NotLoadedError",
    "dependents",
    "forget",
    "mutants_of",
    "note_remembered",
    "put_in",
    "sampled",
]

ROOT = Path(__file__).resolve().parents[1]
_DECISIONS = "swap_op keywords remove_unary_ops if_exp name number condition".split()
_LEFT_ALONE = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom)
_NO_RULE = {"len", "isinstance", "cast", "TypeVar"}  # mutmut leaves the first two alone, the others are for types
_STATEMENTS = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
_PLAIN = (str, bytes, int, float, tuple, list, set, frozenset, dict, re.Pattern)

Lines = tuple[int, int]
Targets = tuple[str, ...]


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes:
        path: the file, from the root of the repository.
        operator: the mutation operator.
        lines: the first and the last line of what is changed.
        statement: the first and the last line of the statement around it.
        targets: the names that the statement assigns, where it is outside of functions.
    """

    path: str
    operator: str
    lines: Lines
    statement: Lines
    targets: Targets
    module: cst.Module
    node: cst.CSTNode
    instead: cst.CSTNode

    @property
    def is_decision(self) -> bool:
        """Whether it changes what is asked or how much, and not an argument, a text or an assignment."""
        return self.operator in _DECISIONS

    def source(self) -> str:
        """The whole file after the change."""
        changed = self.module.deep_replace(self.node, self.instead)
        assert isinstance(changed, cst.Module)
        return changed.code

    def __str__(self) -> str:
        before, after = (" ".join(self.module.code_for_node(node).split()) for node in (self.node, self.instead))
        return f"{self.path}:{self.lines[0]} {self.operator}: {before} -> {after}"


def _condition(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    """A condition that never holds, and one that always does."""
    inside = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    joints: list[tuple[cst.BaseBooleanOp, str]] = [(cst.And(), "False"), (cst.Or(), "True")]
    for joint, constant in joints:
        yield node.with_changes(test=cst.BooleanOperation(left=inside, operator=joint, right=cst.Name(constant)))


_OPERATORS: list[tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]] = [
    *mutation_operators,
    (cst.If, _condition),
    (cst.CompIf, _condition),
]


class _Finder(cst.CSTVisitor):
    """Every change that an operator makes of a node."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Lines, Lines, Targets, cst.CSTNode, cst.CSTNode]] = []
        self._around: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Make the changes of a node, and look into it unless it says no rule."""
        if isinstance(node, _LEFT_ALONE) or _says_no_rule(node):
            return False
        self._around.append(node)
        around = next((other for other in reversed(self._around) if isinstance(other, _STATEMENTS)), None)
        for kind, operator in _OPERATORS:
            if around is not None and isinstance(node, kind):
                name = operator.__name__.removeprefix("operator").strip("_")
                place = (self._lines(node), self._lines(around), self._targets())
                kept = (new for new in operator(node) if not self._only_case(node, new))
                self.found += [(name, *place, node, new) for new in kept]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Come out of a node."""
        if self._around[-1] is original_node:
            self._around.pop()

    def _only_case(self, old: cst.CSTNode, new: cst.CSTNode) -> bool:
        """Whether only the case of letters changes, in a pattern that ignores it: such a mutant says the same."""
        if not (isinstance(old, cst.SimpleString) and isinstance(new, cst.SimpleString)):
            return False
        calls = [node for node in self._around if isinstance(node, cst.Call)]
        ignored = any("IGNORECASE" in cst.Module([]).code_for_node(arg) for call in calls for arg in call.args)
        return ignored and old.value.lower() == new.value.lower()

    def _lines(self, node: cst.CSTNode) -> Lines:
        place = self.get_metadata(PositionProvider, node)
        assert isinstance(place, CodeRange)
        return place.start.line, place.end.line

    def _targets(self) -> Targets:
        """Names assigned by the statement that is being visited, outside of functions."""
        if any(isinstance(node, cst.FunctionDef) for node in self._around):
            return ()
        return tuple(name for node in self._around for name in _assigned(node))


def _assigned(node: cst.CSTNode) -> list[str]:
    if isinstance(node, cst.Assign):
        return [target.target.value for target in node.targets if isinstance(target.target, cst.Name)]
    if isinstance(node, cst.AnnAssign) and isinstance(node.target, cst.Name):
        return [node.target.value]
    return []


def _says_no_rule(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Call):
        return isinstance(node.func, cst.Name) and node.func.value in _NO_RULE
    return "__all__" in _assigned(node)


def mutants_of(path: Path, *, root: Path) -> list[Mutant]:
    """Every mutant of a file that lies under ``root``, in the file's order."""
    module = cst.parse_module(path.read_text(encoding="utf-8"))
    finder = _Finder()
    MetadataWrapper(module, unsafe_skip_copy=True).visit(finder)
    name = path.relative_to(root).as_posix()
    return [
        Mutant(name, operator, lines, statement, targets, module, node, instead)
        for operator, lines, statement, targets, node, instead in finder.found
    ]


def sampled(mutants: Sequence[Mutant], size: int, *, seed: int) -> list[Mutant]:
    """Half of the sample are decisions, half the other mutants; of both every file has its share.

    Shuffled within their files, every n-th is taken from a random start, so that each of a kind has the same chance.
    """
    random_numbers = random.Random(seed)
    sample: list[Mutant] = []
    for kind in (True, False):
        by_file: defaultdict[str, list[Mutant]] = defaultdict(list)
        for mutant in mutants:
            if mutant.is_decision == kind:
                by_file[mutant.path].append(mutant)
        in_order: list[Mutant] = []
        for of_file in by_file.values():
            random_numbers.shuffle(of_file)
            in_order += of_file
        step = max(len(in_order) / (size / 2), 1)
        start = random_numbers.random() * step
        places = (int(start + step * number) for number in range(len(in_order)))
        sample += [in_order[place] for place in places if place < len(in_order)]
    return sample


class NotLoadedError(Exception):
    """A module with a mutant in it cannot be loaded at all."""


@contextmanager
def put_in(mutant: Mutant, module: ModuleType) -> Iterator[None]:
    """The module with a mutant in it: its functions run the changed code, its constants have the changed values.

    Raises:
        NotLoadedError: the module can no longer be loaded.
        ValueError: a function of the module is a closure, whose code cannot be exchanged.
    """
    changed = _loaded(mutant, module)
    file, undo = str(module.__file__), list[Callable[[], object]]()
    try:
        for name, new in vars(changed).items():
            old = vars(module).get(name)
            if isinstance(new, type) and new.__module__ == module.__name__:
                for attribute, value in vars(new).items():
                    undo += _exchanged([old], attribute, vars(old).get(attribute), value, file=file)
            else:
                holders = [other for other in _modules() if vars(other).get(name) is old]
                asked = name in mutant.targets
                undo += _set(holders, name, old, new) if asked else _exchanged(holders, name, old, new, file=file)
        yield
    finally:
        for back in reversed(undo):
            back()


def _loaded(mutant: Mutant, module: ModuleType) -> ModuleType:
    changed = ModuleType(module.__name__)
    changed.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    sys.modules[module.__name__] = changed  # dataclasses look their module up
    try:
        exec(compile(mutant.source(), str(module.__file__), "exec"), changed.__dict__)
    except Exception as error:
        raise NotLoadedError(str(mutant)) from error
    finally:
        sys.modules[module.__name__] = module
    return changed


def _modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "conceptmap"]


def _set(holders: Sequence[object], name: str, old: object, new: object) -> list[Callable[[], object]]:
    for holder in holders:
        setattr(holder, name, new)
    return [functools.partial(setattr, holder, name, old) for holder in holders]


def _exchanged(
    holders: Sequence[object], name: str, old: object, new: object, *, file: str
) -> list[Callable[[], object]]:
    """A plain value where it differs, or a function's code and defaults, which all who hold it share."""
    if type(old) in _PLAIN and old != new and not name.startswith("__"):
        return _set(holders, name, old, new)
    before, after = _function(old), _function(new)
    if before is None or after is None or before.__module__ != after.__module__:
        return []
    undo: list[Callable[[], object]] = []
    if before.__code__ != after.__code__ and after.__code__.co_filename == file:
        undo += _set([before], "__code__", before.__code__, after.__code__)
    for part in ("__defaults__", "__kwdefaults__"):
        said = repr(getattr(after, part))
        if repr(getattr(before, part)) != said and " at 0x" not in said:  # objects of no value differ each time
            undo += _set([before], part, getattr(before, part), getattr(after, part))
    return undo


def _function(thing: Any) -> FunctionType | None:  # noqa: ANN401
    """The function inside of a cache, a property or a method of a class."""
    if isinstance(thing, property):
        thing = thing.fget
    elif isinstance(thing, functools.cached_property):
        thing = thing.func
    elif isinstance(thing, staticmethod | classmethod):
        thing = thing.__func__
    while hasattr(thing, "__wrapped__"):
        thing = thing.__wrapped__
    return thing if isinstance(thing, FunctionType) else None


# -- what the program remembers ---------------------------------------------------------------------------------------

_REMEMBERED: list[weakref.ref[Any]] = []


def note_remembered() -> None:
    """From now on know every dictionary of remembered answers."""
    from conceptmap.text.remembered import Remembered

    begin = Remembered.__init__

    def noted(self: Remembered[Any], *given: Any, **named: Any) -> None:  # noqa: ANN401
        begin(self, *given, **named)
        _REMEMBERED.append(weakref.ref(self))

    Remembered.__init__ = noted  # type: ignore[method-assign]
    from conceptmap.matching.matcher import TermMatcher  # whose own dictionaries are noted too

    kept = functools.cached_property(lambda _: _Kept())
    kept.__set_name__(TermMatcher, "remembered")
    TermMatcher.remembered = kept  # type: ignore[assignment]


class _Kept(dict[Any, Any]):
    """What a matcher keeps of its terms."""

    def __init__(self) -> None:
        super().__init__()
        _REMEMBERED.append(weakref.ref(self))


def forget(modules: frozenset[str] | None) -> None:
    """Empty the caches of some modules, or of the package and its tests: indexes and mappers too."""
    for name, module in list(sys.modules.items()):
        ours = name.startswith("conceptmap.") or str(getattr(module, "__file__", "")).startswith(str(ROOT / "tests"))
        if name in modules if modules is not None else ours:
            kinds = [thing for thing in vars(module).values() if isinstance(thing, type)]
            for holder in (module, *kinds):
                for thing in vars(holder).values():
                    if isinstance(thing, type(imports)):
                        thing.cache_clear()
                    elif isinstance(thing, weakref.WeakKeyDictionary):
                        thing.clear()
    for reference in _REMEMBERED:
        remembered = reference()
        if remembered is not None:
            remembered.clear()


@functools.cache
def dependents(name: str) -> frozenset[str]:
    """A module and those of the package that import it, or import one that does."""
    found = {name}
    while more := {other for other, imported in imports().items() if other not in found and imported & found}:
        found |= more
    return frozenset(found)


@functools.cache
def imports() -> dict[str, set[str]]:
    """What each module of the package imports of it."""
    files = {path.relative_to(ROOT): path.read_text("utf-8") for path in (ROOT / "conceptmap").rglob("*.py")}
    said = re.compile(r"^ *from (conceptmap[\w.]*) import", re.MULTILINE)
    return {".".join(path.with_suffix("").parts): set(said.findall(text)) for path, text in files.items()}
