"""Boosted trees read from LightGBM's text: what they give, and what each feature carried."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from numpy.typing import NDArray

from conceptmap.learned.trees import DEEPEST, Trees

HEAD = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=3\n"
FIRST = """Tree=0
num_leaves=4
num_cat=0
split_feature=0 1 0
threshold=0.5 0.5 -1.5
decision_type=2 2 2
left_child=2 -2 -1
right_child=1 -4 -3
leaf_value=-1 2 3 -5
leaf_count=10 20 30 40
internal_count=100 60 40
is_linear=0
"""
"""Its root asks for the same feature as the node to its left."""
SECOND = "Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=0.25\nleaf_count=100\nis_linear=0\n"
TEXT = f"{HEAD}\n{FIRST}\n{SECOND}\nend of trees\n\nfeature_importances:\na=3\n"
ROWS = np.array([[x, y, 0.0, 0.0] for x in (-2.0, -1.5, 0.0, 0.5, 1.0) for y in (0.5, 0.6)])


def first_tree(row: NDArray[np.float64], known: Sequence[int]) -> float:
    """What the first tree gives in the mean where only some features are known."""

    def left(feature: int, threshold: float, n_left: int, n_right: int) -> float:
        return float(row[feature] <= threshold) if feature in known else n_left / (n_left + n_right)

    root, low, high = left(0, 0.5, 40, 60), left(0, -1.5, 10, 30), left(1, 0.5, 20, 40)
    return root * (low * -1 + (1 - low) * 3) + (1 - root) * (high * 2 + (1 - high) * -5)


def shapley(row: NDArray[np.float64], feature: int) -> float:
    others = [one for one in range(4) if one != feature]
    total = 0.0
    for size in range(4):
        weight = factorial(size) * factorial(3 - size) / factorial(4)
        for some in combinations(others, size):
            total += weight * (first_tree(row, [*some, feature]) - first_tree(row, some))
    return total


def test_trees_give_the_sum_of_their_leaves() -> None:
    expected = [first_tree(row, range(4)) + 0.25 for row in ROWS]
    assert Trees.of(TEXT).logits(ROWS).tolist() == expected


def test_what_features_carried_equals_a_slow_twin() -> None:
    found = Trees.of(TEXT).carried(ROWS)
    assert found == pytest.approx(np.array([[shapley(row, feature) for feature in range(4)] for row in ROWS]))


def test_no_rows_and_trees_without_a_split() -> None:
    assert Trees.of(TEXT).logits(ROWS[:0]).shape == (0,)
    assert Trees.of(TEXT).carried(ROWS[:0]).shape == (0, 4)
    bare = Trees.of(f"{HEAD}\n{SECOND}\nend of trees\n")
    assert bare.logits(ROWS).tolist() == [0.25] * len(ROWS)
    assert not bare.carried(ROWS).any()


def test_lightgbm_says_the_same() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    dice = np.random.default_rng(3)
    rows = np.concatenate([dice.normal(size=(600, 5)), dice.integers(0, 3, (600, 4))], axis=1)
    label = (rows[:, 0] + rows[:, 6] * rows[:, 1] + dice.normal(size=600) > 0).astype(float)
    asked = {"objective": "binary", "max_depth": 5, "num_leaves": 15, "num_threads": 1, "verbose": -1, "seed": 1}
    asked |= {"bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.6, "min_data_in_leaf": 5}
    grown = lightgbm.train(asked, lightgbm.Dataset(rows, label=label), num_boost_round=30)
    trees = Trees.of(grown.model_to_string())
    assert (trees.logits(rows) == grown.predict(rows, raw_score=True)).all()
    assert trees.carried(rows) == pytest.approx(grown.predict(rows, pred_contrib=True)[:, :-1], abs=1e-12)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("num_class=1", "num_class=3"),
        ("max_feature_idx=3", "max_feature_idx=0"),
        ("num_cat=0\nsplit", "num_cat=1\nsplit"),
        ("is_linear=0\n\nTree=1", "is_linear=1\n\nTree=1"),
        ("decision_type=2 2 2", "decision_type=2 1 2"),
        ("decision_type=2 2 2", "decision_type=2 10 2"),
        ("left_child=2 -2 -1", "left_child=0 -2 -1"),
        ("left_child=2 -2 -1", "left_child=2 -2 -2"),
        ("left_child=2 -2 -1", "left_child=2 -2 -9"),
        ("split_feature=0 1 0", "split_feature=0 -1 0"),
        ("threshold=0.5 0.5 -1.5", "threshold=0.5 nan -1.5"),
        ("threshold=0.5 0.5 -1.5", "threshold=0.5 0.5"),
        ("leaf_count=10 20", "leaf_count=0 20"),
        ("leaf_value=-1 2 3 -5\n", ""),
        (FIRST + "\n" + SECOND, ""),
    ],
)
def test_what_is_no_such_model_is_refused(before: str, after: str) -> None:
    assert before in TEXT
    with pytest.raises((ValueError, KeyError)):
        Trees.of(TEXT.replace(before, after, 1))


def chain(n_steps: int) -> str:
    """A tree with so many steps down to its lowest leaf."""
    numbers = range(n_steps)
    lines = [
        f"num_leaves={n_steps + 1}",
        "num_cat=0",
        f"split_feature={' '.join('0' for _ in numbers)}",
        f"threshold={' '.join(map(str, numbers))}",
        f"decision_type={' '.join('2' for _ in numbers)}",
        f"left_child={' '.join(str(-1 - at) for at in numbers)}",
        f"right_child={' '.join(str(at + 1) if at < n_steps - 1 else str(-1 - n_steps) for at in numbers)}",
        f"leaf_value={' '.join(map(str, range(n_steps + 1)))}",
        f"leaf_count={' '.join('1' for _ in range(n_steps + 1))}",
        f"internal_count={' '.join(str(n_steps + 1 - at) for at in numbers)}",
        "is_linear=0",
    ]
    return HEAD + "\nTree=0\n" + "\n".join(lines) + "\n\nend of trees\n"


def test_trees_are_read_as_deep_as_their_shares_fit_in_memory() -> None:
    rows = np.array([[0.5 + at, 0, 0, 0] for at in range(-1, DEEPEST)])
    assert Trees.of(chain(DEEPEST)).logits(rows).tolist() == list(range(DEEPEST + 1))
    assert Trees.of(chain(DEEPEST)).carried(rows)[:, 0] == pytest.approx(np.arange(DEEPEST + 1) - DEEPEST / 2)
    with pytest.raises(ValueError, match="trees"):
        Trees.of(chain(DEEPEST + 1))
