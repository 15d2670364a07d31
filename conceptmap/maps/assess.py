"""Map rules tried on patients, all at once: true, false, or not assessable, which is neither (Kleene's three values).

A case is a code of a patient. The rows of a map group are tried by priority; the first that holds gives the target.
Where an earlier row cannot be assessed nothing is chosen, unless every row that may still be the one has the same
target. A choice is *presumed* where it follows only if the note is taken at its word: findings that it does not mention
are absent, and an onset that it does not date was now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from conceptmap.maps.patients import around, found_concepts
from conceptmap.maps.rules import Condition, Rule, read_rule
from conceptmap.ontology.ontology import Ontology

__all__ = ["FALSE", "TRUE", "UNKNOWN", "Facts", "assess", "tried"]

FALSE, UNKNOWN, TRUE = 0, 1, 2
"""AND is the least of these, OR the greatest, NOT what is left to 2."""
_GROUP = ["case", "group"]
_MOMENT = 1e-9


@dataclass(frozen=True)
class Facts:
    """What is known of patients.

    Attributes:
        people: ``person`` and the columns of `conceptmap.maps.patients.patients`.
        said: ``note, code, denied``: what notes say of findings.
        ontology: of these codes, and of the concepts in rules.
    """

    people: pl.DataFrame
    said: pl.DataFrame
    ontology: Ontology | None


def assess(cases: pl.DataFrame, rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Returns what each group of map rows comes to for each case.

    Args:
        cases: ``case, code, person, note``; a note may be null.
        rows: ``code, row, group, order, map_rule, target_code``: map rows in the order in which they are tried.
        facts: of the patients.

    Returns:
        ``case, group, row, map_status, map_missing, map_candidates``: ``row`` is the one chosen or presumed, else null.
    """
    return _resolved(tried(cases, rows, facts))


def tried(cases: pl.DataFrame, rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Returns every map row of each case with its truth, whether it may still be reached, and what its conditions say.

    Returns:
        ``case, group, row, order, target_code, truth, presumed, value, presumed_value, unknown, why``: ``truth`` of the
        rule, ``value`` of the rule and all before it failing; ``unknown`` lists what is not known.
    """
    texts = rows["map_rule"].unique(maintain_order=True)
    rules = {text: read_rule(text) for text in texts}
    told = _told(cases, rows, rules, facts)
    known = pl.DataFrame(
        {"map_rule": texts, "kind": [rule.kind for rule in rules.values()], "fault": [r.fault for r in rules.values()]},
        schema={"map_rule": pl.String, "kind": pl.String, "fault": pl.String},
    )
    found = cases.join(rows, on="code", maintain_order="left_right")
    found = found.join(known, on="map_rule", how="left", nulls_equal=True, maintain_order="left")
    found = found.join(told, on=["case", "map_rule"], how="left", nulls_equal=True, maintain_order="left")
    alone = pl.len().over(_GROUP) == 1
    plain = pl.col("kind") == "always"
    found = found.with_columns(
        _certain("truth", plain, alone),
        _certain("presumed", plain, alone),
        unknown=pl.when(pl.col("kind") == "unread")
        .then(pl.concat_list(pl.format("the rule, which could not be read: {}", "fault")))
        .when((pl.col("kind") == "blank") & ~alone)
        .then(pl.concat_list(pl.lit("a choice between alternatives without rules")))
        .otherwise("unknown"),
    )
    return _in_turn(_in_turn(found, "truth", "value"), "presumed", "presumed_value")


def _certain(name: str, plain: pl.Expr, alone: pl.Expr) -> pl.Expr:
    """The truth of rules without conditions beside those with; OTHERWISE is decided by the rows before it."""
    kind = pl.col("kind")
    given = pl.when(plain | ((kind == "blank") & alone) | (kind == "otherwise")).then(TRUE)
    return given.when(kind.is_in(["blank", "unread"])).then(UNKNOWN).otherwise(name).cast(pl.Int8).alias(name)


def _in_turn(found: pl.DataFrame, truth: str, value: str) -> pl.DataFrame:
    """``value``: the row's rule holds and that of no row before it does."""
    before = pl.col(truth).cum_max().shift(1).over(_GROUP).fill_null(FALSE)
    return found.with_columns(pl.min_horizontal(truth, TRUE - before).cast(pl.Int8).alias(value))


def _resolved(found: pl.DataFrame) -> pl.DataFrame:
    possible, sure = pl.col("value") > FALSE, pl.col("value") == TRUE
    presumed = pl.col("presumed_value") == TRUE
    targets = pl.col("target_code").fill_null("").filter(possible)
    said = pl.col("target_code").fill_null("no target").filter(possible)
    groups = found.group_by(_GROUP, maintain_order=True).agg(
        sure=pl.col("row").filter(sure).first(),
        presumed=pl.col("row").filter(presumed).first(),
        first=pl.col("row").filter(possible).first(),
        same=(targets.n_unique() == 1) & (pl.col("truth").max() == TRUE),
        none=~possible.any(),
        map_missing=pl.col("unknown")
        .filter(possible)
        .explode()
        .drop_nulls()
        .unique(maintain_order=True)
        .str.join("; "),
        map_candidates=said.unique(maintain_order=True).str.join("; "),
    )
    agreed = pl.coalesce("sure", pl.when("same").then("first"))
    status = pl.when("none").then(pl.lit("no rule holds")).when(agreed.is_not_null()).then(pl.lit("mapped"))
    open_ = agreed.is_null() & ~pl.col("none")
    return groups.select(
        *_GROUP,
        row=pl.coalesce(agreed, "presumed"),
        map_status=status.when(pl.col("presumed").is_not_null())
        .then(pl.lit("presumed"))
        .otherwise(pl.lit("not assessable")),
        map_missing=pl.when(open_).then("map_missing"),
        map_candidates=pl.when(open_).then("map_candidates"),
    )


# -- conditions -------------------------------------------------------------------------------------------------------


def _told(cases: pl.DataFrame, rows: pl.DataFrame, rules: Mapping[str | None, Rule], facts: Facts) -> pl.DataFrame:
    """``case, map_rule, truth, presumed, unknown, why`` of the rules that have conditions."""
    parts = [
        (text, number, condition, positive)
        for text, rule in rules.items()
        for number, alternative in enumerate(rule.alternatives)
        for condition, positive in alternative
    ]
    conditions = {condition: at for at, condition in enumerate(dict.fromkeys(part[2] for part in parts))}
    schema = {"map_rule": pl.String, "part": pl.UInt32, "condition": pl.UInt32, "positive": pl.Boolean}
    literals = pl.DataFrame([(t, n, conditions[c], p) for t, n, c, p in parts], schema=schema, orient="row")
    asked = rows.select("code", "map_rule").unique().join(literals.select("map_rule").unique(), on="map_rule")
    wanted = cases.join(asked, on="code").join(literals, on="map_rule")
    answers = _answers(wanted.select("case", "code", "person", "note", "condition").unique(), list(conditions), facts)
    found = wanted.join(answers, on=["case", "condition"])
    signed = [
        pl.when("positive").then(name).otherwise(TRUE - pl.col(name)).cast(pl.Int8).alias(name)
        for name in ("truth", "presumed")
    ]
    key = ["case", "map_rule"]
    words = found.group_by(key).agg(
        unknown=pl.col("ask").filter(pl.col("truth") == UNKNOWN).unique().sort(),
        why=pl.col("why").unique().sort().str.join("; "),
    )
    every = found.with_columns(signed).group_by(*key, "part").agg(pl.col("truth", "presumed").min())
    return every.group_by(key).agg(pl.col("truth", "presumed").max()).join(words, on=key)


def _answers(wanted: pl.DataFrame, conditions: list[Condition], facts: Facts) -> pl.DataFrame:
    """``case, condition, truth, presumed, ask, why`` for every condition of every case."""
    table = pl.DataFrame(
        [(at, c.asks, c.concept, c.sign, c.number, c.unit, str(c), _ask(c)) for at, c in enumerate(conditions)],
        schema={
            "condition": pl.UInt32,
            "asks": pl.String,
            "concept": pl.String,
            "sign": pl.String,
            "number": pl.Float64,
            "unit": pl.String,
            "written": pl.String,
            "ask": pl.String,
        },
        orient="row",
    )
    rows = wanted.join(table, on="condition").join(facts.people, on="person", how="left")
    rows = _with_findings(rows, facts)
    sex = (
        pl.when(pl.col("sex").is_null())
        .then(UNKNOWN)
        .when((pl.col("sex") == "M") == (pl.col("asks") == "male"))
        .then(TRUE)
        .otherwise(FALSE)
    )
    now, onset = _compared("age"), _compared("onset")
    asks = pl.col("asks")
    truth = (
        pl.when(asks == "finding")
        .then("said")
        .when(asks.is_in(["male", "female"]))
        .then(sex)
        .when(asks == "age")
        .then(now)
        .when((asks == "onset") & pl.col("onset_year_low").is_null())
        .then(_before_now())
        .when(asks == "onset")
        .then(onset)
        .otherwise(UNKNOWN)
    )
    presumed = (
        pl.when((asks == "finding") & (pl.col("said") == UNKNOWN) & pl.col("spoken"))
        .then(FALSE)
        .when((asks == "onset") & (pl.col("truth") == UNKNOWN) & pl.col("onset_year_low").is_null())
        .then(now)
        .otherwise("truth")
    )
    rows = rows.with_columns(truth=truth.cast(pl.Int8)).with_columns(presumed=presumed.cast(pl.Int8))
    return rows.select("case", "condition", "truth", "presumed", "ask", why=_why())


def _ask(condition: Condition) -> str:
    """What has to be known, in words."""
    known = {"male": "the patient's sex", "female": "the patient's sex", "age": "the patient's age"}
    known |= {"onset": "the age at onset"}
    whole = f"whether {condition}" if condition.asks == "finding" else f"the value of {condition}"
    return known.get(condition.asks, whole)


def _why() -> pl.Expr:
    answer = pl.col("truth").replace_strict({FALSE: "no", UNKNOWN: "not known", TRUE: "yes"}, return_dtype=pl.String)
    presumed = pl.col("truth").ne_missing(pl.col("presumed"))
    words = pl.when(presumed & (pl.col("presumed") == TRUE)).then(pl.lit(", presumed yes"))
    return pl.format(
        "{}: {}{}", "written", answer, words.when(presumed).then(pl.lit(", presumed no")).otherwise(pl.lit(""))
    )


def _with_findings(rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """``said``, the truth of a finding; ``spoken``: a note speaks of findings, or it is a kind of the code itself."""
    asked = rows.filter(pl.col("asks") == "finding")
    below, above = around(asked["concept"].unique(maintain_order=True), facts.ontology)
    codes = asked.select("code").unique()
    own = below.join(codes, on="code", how="semi").with_columns(own=pl.lit(TRUE))
    kinds = above.join(codes, on="code", how="semi").with_columns(kind=pl.lit(value=True))
    said = facts.said.join(asked.select("note").unique(), on="note", how="semi")
    found = found_concepts(said, below, above).rename({"truth": "said"})
    rows = rows.join(found, on=["note", "concept"], how="left")
    rows = rows.join(own, on=["code", "concept"], how="left").join(kinds, on=["code", "concept"], how="left")
    notes = said.select("note").unique().with_columns(has_note=pl.lit(value=True))
    rows = rows.join(notes, on="note", how="left")
    spoken = pl.col("has_note").fill_null(value=False) | pl.col("kind").fill_null(value=False)
    return rows.with_columns(said=pl.coalesce("own", "said", pl.lit(UNKNOWN)).cast(pl.Int8), spoken=spoken)


def _ends(what: str) -> tuple[pl.Expr, pl.Expr]:
    """The ends of an age in the unit of the condition."""
    unit = pl.col("unit")
    low, high = (pl.col(f"{what}_day_{end}") for end in ("low", "high"))
    exact = low == high
    hours = pl.when(unit == "hour").then(24.0).otherwise(1440.0)
    finer_high = pl.when(exact).then(high + 1).otherwise(high)

    def end(name: str, days: pl.Expr, finer: pl.Expr) -> pl.Expr:
        held = pl.when(unit == "year").then(f"{what}_year_{name}").when(unit == "month").then(f"{what}_month_{name}")
        return held.when(unit == "week").then(days / 7).when(unit == "day").then(days).otherwise(finer * hours)

    return end("low", low, low), end("high", high, finer_high)


def _compared(what: str) -> pl.Expr:
    """An age against the number of the condition."""
    low, high = _ends(what)
    return _against(low, high, low == high)


def _before_now() -> pl.Expr:
    """An onset that is not known lies between birth and now."""
    low, high = _ends("age")
    ends = pl.when(low == high).then(high + _MOMENT).otherwise(high)
    return _against(pl.when(low.is_not_null()).then(0.0), ends, pl.lit(value=False))


def _against(low: pl.Expr, high: pl.Expr, exact: pl.Expr) -> pl.Expr:
    number, sign = pl.col("number"), pl.col("sign")
    all_under = pl.when(exact).then(high < number).otherwise(high <= number)
    under = pl.when(all_under).then(TRUE).when(low >= number).then(FALSE).otherwise(UNKNOWN)
    at_most = pl.when(high <= number).then(TRUE).when(low > number).then(FALSE).otherwise(UNKNOWN)
    beside = (low > number) | (high < number) | (~exact & (high == number))
    equal = pl.when(exact & (low == number)).then(TRUE).when(beside).then(FALSE).otherwise(UNKNOWN)
    found = (
        pl.when(sign == "<")
        .then(under)
        .when(sign == "<=")
        .then(at_most)
        .when(sign == ">")
        .then(TRUE - at_most)
        .when(sign == ">=")
        .then(TRUE - under)
        .otherwise(equal)
    )
    return pl.when(low.is_null() | high.is_null()).then(UNKNOWN).otherwise(found)
