"""Loops written in LLVM's language, compiled for this processor when they are first asked for."""

from __future__ import annotations

import importlib.util
import platform
import threading
from functools import cache
from typing import Any

__all__ = ["features", "machine_code", "splat"]

_ONE_AT_A_TIME = threading.Lock()
"""LLVM's modules share what threads may not."""


@cache
def features() -> frozenset[str]:
    """What this processor can do, by LLVM's names; nothing where it is no x86-64 or llvmlite is not installed."""
    if platform.machine().lower() not in ("x86_64", "amd64") or importlib.util.find_spec("llvmlite") is None:
        return frozenset()
    import llvmlite.binding as llvm

    has = llvm.get_host_cpu_features()
    return frozenset(name for name in has if has[name])


def machine_code(text: str) -> Any:  # noqa: ANN401 - llvmlite's execution engine, which has no types
    """An engine with the functions of a module's text; their code lives as long as it does."""
    with _ONE_AT_A_TIME:
        return _machine_code(text)


def _machine_code(text: str) -> Any:  # noqa: ANN401 - see above
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    # Windows' probe of the stack is nowhere to be linked
    module = llvm.parse_assembly(text.replace(") {\nentry:", ') "no-stack-arg-probe" {\nentry:'))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


def splat(name: str, address: str, kind: str, n: int) -> list[str]:
    """A value from memory in every lane."""
    return [
        f"%{name}.value = load {kind}, ptr {address}, align 4",
        f"%{name}.first = insertelement <{n} x {kind}> poison, {kind} %{name}.value, i64 0",
        f"%{name} = shufflevector <{n} x {kind}> %{name}.first, <{n} x {kind}> poison, <{n} x i32> zeroinitializer",
    ]
