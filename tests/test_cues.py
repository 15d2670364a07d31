"""Every cue of ``data/context_triggers.csv`` does what it says in its example, and nothing in its counter-example."""

from __future__ import annotations

import pytest

from conceptmap.data.tables import read_table
from conceptmap.text.context import Context, assess
from conceptmap.text.sections import sections

ROWS = read_table("context_triggers")
CUES = [row for row in ROWS if row["category"] not in ("set", "class")]


def context(sentence: str) -> Context:
    """The context of the mention between braces."""
    start, end = sentence.index("{"), sentence.index("}") - 1
    text = sentence.replace("{", "").replace("}", "")
    return assess(text, [(start, end)], sections(text))[0]


def says(found: Context) -> set[str]:
    """The categories that a context speaks of."""
    said = {found.certainty, found.subject, found.temporality}
    said |= {"negated"} if found.negated else set()
    said |= {"ended"} if found.ended else set()
    return {str(one) for one in said} - {"certain", "patient", "recent"}


def test_every_cue_has_its_sentences() -> None:
    assert [row["phrase"][:40] for row in CUES if not (row["example"] and row["counter_example"])] == []


@pytest.mark.parametrize("row", CUES, ids=lambda row: f"{row['category']}: {row['example']}")
def test_a_cue_reaches_its_example_and_not_its_counter_example(row: dict[str, str]) -> None:
    wanted = {"hypothetical" if name == "named" else name for name in row["category"].split("+")}
    example, counter = says(context(row["example"])), says(context(row["counter_example"]))
    if row["direction"] == "pseudo":
        assert not example
        assert counter
    elif row["direction"] == "stop":
        reached = counter if wanted == {"any"} else counter & wanted
        assert not (example & (reached or wanted))
        assert reached
    else:
        assert wanted <= example
        assert not (wanted & counter)
