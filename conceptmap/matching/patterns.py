"""Patterns: many wordings of a code in few rows that a person can read.

A row may hold alternatives, "(broken|fractured) rib". What is said of many things in the same way is a fact and some
templates: "asthma" is Z82.5 in a family, and "mother with {}", "family history of {}" are how notes say it. Every
fact of a set goes with every template of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from itertools import product
from typing import Final

from conceptmap.data.tables import has_table, reviewed_rows
from conceptmap.errors import InputError

__all__ = ["FACTS", "SYNONYMS", "TEMPLATES", "products", "spelled", "synonym_rows"]

SYNONYMS: Final = ("term", "code", "kind", "reason", "source", "checked")
"""Columns of ``synonyms_<system>.csv``, and of ``translated_<system>.csv``, wordings of translated notes alone."""

FACTS: Final = ("set", "fact", "code", "source", "checked")
"""Columns of ``facts_<system>.csv``."""

TEMPLATES: Final = ("set", "template", "source")
"""Columns of ``templates_<system>.csv``, and of ``translated_templates_<system>.csv``."""

_ALTERNATIVES: Final = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT: Final = "{}"


def spelled(pattern: str) -> list[str]:
    """The wordings of a pattern.

    >>> spelled("(broken|fractured) rib"), spelled("rib fracture")
    (['broken rib', 'fractured rib'], ['rib fracture'])
    """
    parts = _ALTERNATIVES.split(pattern)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


def synonym_rows(system: str) -> Iterator[tuple[str, str]]:
    """Code and wording of each synonym of a system, those of translated notes included.

    Raises:
        InputError: a table is damaged.
    """
    for table in (f"synonyms_{system}", f"translated_{system}"):
        for pattern, code, *_ in reviewed_rows(table, SYNONYMS) if has_table(table) else ():
            for wording in spelled(pattern):
                yield code, wording


def products(system: str, known: Set[str]) -> Iterator[tuple[str, str]]:
    """Code and wording of each fact in each template of its set.

    Args:
        system: prefix of a code system, such as ``icd10cm``.
        known: wordings that have rows of their own, which say more than a product.

    Raises:
        InputError: a table is damaged, a set has no template, or a template no slot.
    """
    templates: dict[str, list[str]] = {}
    for table in (f"templates_{system}", f"translated_templates_{system}"):
        for name, template, _ in reviewed_rows(table, TEMPLATES) if has_table(table) else ():
            if template.count(_SLOT) != 1:
                raise InputError(f"a template of {table}.csv needs one {_SLOT}", got=template, then="put it there")
            templates.setdefault(name, []).extend(spelled(template))
    facts = reviewed_rows(f"facts_{system}", FACTS) if has_table(f"facts_{system}") else ()
    for name, fact, code, *_ in facts:
        if name not in templates:
            raise InputError(f"facts_{system}.csv has a set without templates", got=name, expected=", ".join(templates))
        for wording in (template.replace(_SLOT, said) for said in spelled(fact) for template in templates[name]):
            if wording not in known:
                yield code, wording
