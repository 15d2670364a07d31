"""``conceptmap probe``: what is made of an ontology's terms, how it is judged, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_mapper import mapper, ontology

from conceptmap.cli import main
from conceptmap.data.tables import read_table
from conceptmap.encoders import load_encoder
from conceptmap.errors import InputError
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.probing.found import found, kinds, measured
from conceptmap.probing.probes import CONTEXTS, Probe, probes, sampled
from conceptmap.probing.wordings import WORDINGS, wordings


def test_a_sample_is_the_seeds_and_stays_when_the_ontology_grows() -> None:
    whole = sampled(ontology(), 100, seed=0)
    assert set(whole) == {"E11.9", "I10", "I50.9", "R50.9", "R51.9"}, "what may be billed and has a short name"
    assert sampled(ontology(), 3, seed=0) == whole[:3]
    assert sampled(ontology(), 100, seed=1) != whole
    wanted = (ontology().concepts["code"] != whole[0]).to_numpy()
    assert sampled(ontology(), 100, seed=0, wanted=wanted) == whole[1:]
    with pytest.raises(InputError, match="no concept has a name to probe"):
        sampled(ontology(), 3, seed=0, wanted=np.zeros(len(wanted), dtype=np.bool_))


def test_every_probe_says_its_wording_where_it_says() -> None:
    asked = list(probes(ontology(), sampled(ontology(), 100, seed=0), seed=0))
    assert asked == list(probes(ontology(), sampled(ontology(), 100, seed=0), seed=0))
    assert {probe.context for probe in asked} == set(CONTEXTS)
    assert {probe.wording for probe in asked} <= set(WORDINGS)
    for probe in asked:
        said = probe.text[probe.start_char : probe.end_char]
        assert said == said.strip() != ""
        if probe.wording == "name":
            assert said.lower() == probe.name.lower()
    assert {row["context"] for row in read_table("probe_templates")} == set(CONTEXTS)
    assert all(row["template"].count("{term}") == 1 for row in read_table("probe_templates"))


def test_slips_are_one_edit_away() -> None:
    for seed in range(30):
        (slip,) = [one for one in wordings("Pneumonia", [], seed=seed) if one.kind == "misspelt"]
        assert slip.term != "pneumonia"
        assert abs(len(slip.term) - 9) <= 1
        assert (slip.term[0], slip.term[-1]) == ("p", "a")
    assert {one.kind for one in wordings("Gout", [], seed=0)} == {"name", "capitals"}
    spoken = {one.kind: one for one in wordings("Chronic kidney disease", ["Kidney failure"], seed=0)}
    assert spoken["abbreviated"].term == "CKD"
    assert spoken["defined short form"].before == "We spoke about chronic kidney disease (CKD). "
    assert spoken["synonym"].term == "kidney failure"


def judged(text: str, said: str, context: str, code: str) -> dict[str, object]:
    at = text.index(said)
    probe = Probe(code, "x", "name", context, text, at, at + len(said), frozenset({code}))
    return found(mapper(), [probe], system="test").row(0, named=True)


def test_what_is_found_is_judged() -> None:
    keys = ("found", "found_code", "same_concept", "right_context", "nearest_same")
    cases = [
        (("The patient has fever.", "fever", "affirmed", "R50.9"), ("same", "R50.9", True, True, None)),
        (("No evidence of fever.", "fever", "negated", "R50.9"), ("same", "R50.9", True, True, None)),
        (("No evidence of fever.", "fever", "affirmed", "R50.9"), ("same", "R50.9", True, False, None)),
        (("Fever of note.", "Fever", "affirmed", "R51.9"), ("other", "R50.9", False, True, None)),
        (("Type 2 diabetes.", "Type 2 diabetes", "affirmed", "E11.22"), ("sibling", "E11.9", False, True, None)),
        (("Fever. All well.", "All well", "affirmed", "R50.9"), ("missed", None, False, None, None)),
    ]
    for asked, want in cases:
        row = judged(*asked)
        assert tuple(row[key] for key in keys) == want, asked


def test_vectors_have_their_own_answer() -> None:
    encoder = load_encoder("embedded")
    both = ConceptMapper((build_index(ontology(), encoder),), encoder)
    asked = list(probes(ontology(), ["I10"], seed=0))
    rows = found(both, asked, system="test")
    plain = rows.filter((pl.col("wording") == "name") & (pl.col("context") == "affirmed"))
    assert plain["nearest_code"].to_list() == ["I10"]
    assert 0.3 < plain["nearest_score"].item() <= 1
    scores = measured(rows).scores()
    assert scores["all"]["nearest"] == pytest.approx(rows["nearest_same"].mean())


def test_figures_by_hand() -> None:
    rows = found(mapper(), list(probes(ontology(), sampled(ontology(), 9, seed=0), seed=0)), system="test")
    scores = measured(rows).scores()
    assert scores["all"]["same concept"] == pytest.approx(rows["same_concept"].mean())
    assert scores["all"]["right context"] == pytest.approx(rows["right_context"].mean())
    negated = rows.filter(pl.col("context") == "negated")
    assert scores["context negated"]["same concept"] == pytest.approx(negated["same_concept"].mean())
    always = rows.group_by("code").agg(pl.col("same_concept").all())["same_concept"].mean()
    assert scores["stable"]["in all probes"] == pytest.approx(always)
    wrong = list(kinds(rows))
    assert sum(n for what, _, n in wrong if "read as" not in what) == (~rows["same_concept"]).sum()


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    build_index(ontology(), None).save(index)
    monkeypatch.setenv("COLUMNS", "80")
    line = ["probe", "--ontology", str(index), "--encoder", "none", "-n", "4"]
    assert main([*line, "-o", str(tmp_path / "p.csv"), "--html", str(tmp_path / "p.html")]) == 0
    shown = capfd.readouterr()
    lines = shown.out.splitlines()
    assert all(len(one) <= 80 for one in lines)
    assert lines[0].split() == ["same", "concept", "right", "context", "both"]
    assert lines[-1].startswith("concepts 4  probes ")
    assert "errors: " in shown.err
    table = pl.read_csv(tmp_path / "p.csv")
    assert table.height == int(lines[-1].rpartition(" ")[2])
    page = (tmp_path / "p.html").read_text()
    assert "<script" not in page
    assert page.count("<style") == 1, "the page's policy lets one in"
    assert " style=" not in page
    assert "&lt;script&gt;" in page or "Headache" not in page
    assert main([*line, "-o", str(tmp_path / "p.csv")]) == 2
    capfd.readouterr()
    assert main([*line, "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert set(answer["intervals"]["all"]) == {"same concept", "right context", "both"}
    assert main([*line, "--ontology", str(index)]) == 2
