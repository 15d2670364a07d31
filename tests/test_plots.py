"""Plots in one call show what the frames hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from coded_mapper import full_mapper, lexical_mapper, small_ontology

import conceptmap as cm
from conceptmap.annotated.plots import plot_chapters, plot_codes, plot_tokens
from conceptmap.errors import InputError, MissingExtraError

TEXTS = ["Fever and pneumonia.", "Fever.", "Hypertension."]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """No window, and no figure left open."""
    mpl.use("Agg")
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def labels(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def widths(ax: Any) -> list[float]:
    return [bar.get_width() for bar in ax.patches]


@pytest.mark.parametrize("kind", ["results", "polars", "pandas", "folder"])
def test_codes_are_bars_by_the_notes_that_have_them(kind: str, tmp_path: Path) -> None:
    results = lexical_mapper().annotate_many(TEXTS)
    results.codes.write_csv(tmp_path / "codes.csv")
    given = {"results": results, "polars": results.codes, "pandas": results.to_pandas(), "folder": tmp_path}[kind]
    ax = plot_codes(given)
    assert labels(ax) == [
        "R50.9  Fever, unspecified",
        "I10  Essential (primary) hypertension",
        "J18.9  Pneumonia, unspecified organism",
    ]
    assert widths(ax) == [2, 1, 1]
    assert ax.get_xlabel() == "notes"
    assert labels(plot_codes(given, most=1)) == labels(ax)[:1]


def test_chapters_are_bars_by_the_codes_below_them() -> None:
    results = lexical_mapper().annotate_many(TEXTS)
    for hierarchy in (small_ontology(), lexical_mapper()):
        ax = plot_chapters(results, hierarchy)
        assert (labels(ax), widths(ax)) == (["A  Invented chapter"], [4])


def test_tokens_are_a_heat_map_of_their_scores() -> None:
    found = full_mapper().nearest("fever and pneumonia", k=3)
    ax = plot_tokens(found, most=2)
    tokens = found.unique("token_index")["token_index"].len()
    grid = np.asarray(ax.images[0].get_array(), dtype=float)
    assert grid.shape == (tokens, 2)
    assert labels(ax)[0] == "fever"
    assert np.nanmax(grid) == pytest.approx(found["score"].max())
    assert plot_tokens(found.to_pandas()).images
    assert plot_tokens(full_mapper().tag("fever and pneumonia")).images


def test_nothing_gives_an_empty_plot() -> None:
    assert labels(plot_codes(lexical_mapper().annotate_many(["Nothing."]))) == []


def test_a_plot_goes_where_it_is_told() -> None:
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(1, 2)
    assert plot_codes(lexical_mapper().annotate_many(TEXTS), ax=axes[1]) is axes[1]


def test_they_are_public() -> None:
    assert (cm.plot_codes, cm.plot_chapters, cm.plot_tokens) == (plot_codes, plot_chapters, plot_tokens)


def test_what_are_no_codes_is_refused_in_words(tmp_path: Path) -> None:
    for wrong in (tmp_path, 7, pd.DataFrame({"code": ["I10"]})):
        with pytest.raises(InputError, match="codes"):
            plot_codes(wrong)


def test_without_matplotlib_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'conceptmap\[plots\]'"):
        plot_codes(lexical_mapper().annotate_many(TEXTS))
