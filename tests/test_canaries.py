"""No message ever holds a piece of a note: inputs of every kind that hold canary words, through every command."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_mapper import index, ontology

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.index.index import ConceptIndex

CANARIES = ("kanarie", "Wilhelmina", "steenkolenmijn")
SAID = "Wilhelmina, a kanarie from the steenkolenmijn, has fever"
COLUMNS = "kanarie from Wilhelmina,steenkolenmijn"

TABLES: dict[str, bytes] = {
    "plain.csv": f"{SAID}.\nShe sings, kanarie, at night.\n".encode(),
    "twice.csv": b"Wilhelmina,kanarie,kanarie\n1,2,3\n",
    "similar.csv": b"note_id,tekst kanarie,next,Wilhelmina\n1,2,3,4\n",
    "semicolons.csv": b"note_id;kanarie;text\n1;2;3\n",
    "ragged.csv": f"note_id,text\n{SAID}\n1,2,3,kanarie\n".encode(),
    "unclosed.csv": f'note_id,text\n1,"{SAID}\n'.encode(),
    "quotes.csv": f'note_id,text\n1,"{SAID}"kanarie\n'.encode(),
    "swapped.csv": f'note_id,text\n"{SAID}",\n"{SAID}","{SAID}"\n"{SAID}","again"\n'.encode(),
    "latin.csv": "kanarie,Wilhelmina\u00e9\n1,2\n".encode("latin-1"),
    "nul.csv": b"kanarie\0,Wilhelmina\n1,2\n",
    "ids.csv": b"note_id,start_char,end_char,text,rank,system,code,name,score\n"
    b'"a kanarie, Wilhelmina",0,3,kanarie,1,icd10cm,"kanarie, Wilhelmina",kanarie,0.5\n',
    "numbers.csv": b"note_id,start_char,end_char,text,rank,system,code,name,score\n"
    b"1,kanarie,Wilhelmina,steenkolenmijn,kanarie,icd10cm,kanarie,kanarie,kanarie\n",
    "codes.csv": b"note_id,code,term,score\n1,a kanarie,Wilhelmina,kanarie\n2,Wilhelmina,kanarie,0.1\n",
    "known.csv": b"note_id,code,term,score\n1,a kanarie,Wilhelmina,0.2\n2,Wilhelmina,kanarie,0.1\n",
    "edits.csv": b"code,edit\nkanarie,Wilhelmina\n",
    "headless.csv": b'a kanarie,Wilhelmina,"[0.1, 0.2]"\nE11.9,fever,"[0.1, 0.3]"\n',
    "lists.csv": b'code,vector\na kanarie,"[0.1, 0.2]"\nWilhelmina,"[kanarie]"\n',
    "vectors.csv": b"concept,v0,v1,v2,v3\nWilhelmina,1,2,3,4\nsteenkolenmijn,2,1,4,1\n",
    "plain.jsonl": f"{SAID}\n{{{SAID}\n".encode(),
    "keys.jsonl": json.dumps({SAID: 1, "kanarie": SAID}).encode() + b"\n",
    "odd.jsonl": b'{"note_id": "1", "text": "a", "kanarie": "\\ud800", "mentions": [{"start": "kanarie"}]}\n'
    b'{"note_id": "2", "text": "a", "Wilhelmina \\ud800": 1, "mentions": "kanarie"}\n',
    "outside.jsonl": json.dumps(
        {"note_id": SAID, "text": SAID, "mentions": [{"start": 0, "end": 999, "codes": [SAID]}]}
    ).encode(),
    "other.jsonl": json.dumps(
        {"note_id": SAID, "text": SAID, "mentions": [{"start": 0, "end": 3, "codes": [SAID], "text": SAID}]}
    ).encode(),
    "cut.csv.gz": gzip.compress(f"note_id,text\n1,{SAID}\n".encode() * 200)[:60],
    "plain.pubtator": f"{SAID}\n".encode(),
    "lost.pubtator": f"a kanarie\t0\t4\tWilhelmina\tX\t{SAID}\n".encode(),
    "targets.txt": f"{SAID}\nkanarie\nWilhelmina sings\n".encode(),
    "broken.parquet": b"PAR1kanarie Wilhelmina PAR1",
    "words.safetensors": (20).to_bytes(8, "little") + b'{"kanarie": Wilhelmi',
    "words.npy": b"\x93NUMPY\x01\x00\x16\x00{'kanarie': Wilhelmin}",
    "release.obo": f"format-version: 1.2\n{SAID}\n[Term]\n{SAID}\n".encode(),
    "terms.obo": f"format-version: 1.2\n\n[Term]\nid: X:1\nname: a\nsynonym: {SAID}\n".encode(),
    "icd10cm_tabular_1.xml": f"<kanarie><Wilhelmina>{SAID}</kanarie>".encode(),
    "icd10cm_codes_1.txt": f"{SAID}\n".encode(),
    "icd10cm_order_1.txt": f"{SAID}\n".encode(),
    "sct2_Concept_Snapshot_INT_20250101.txt": f"{SAID}\t{SAID}\n{SAID}\n".encode(),
    "MRCONSO.RRF": f"{SAID}|{SAID}|\n".encode(),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    for name, content in TABLES.items():
        (folder / name).write_bytes(content)
    pl.DataFrame({SAID: ["kanarie"], "Wilhelmina": [b"kanarie"]}).write_parquet(folder / "columns.parquet")
    pl.DataFrame({"note_id": [SAID], "text": [[SAID]]}).write_parquet(folder / "types.parquet")
    (folder / "brat").mkdir()
    (folder / "brat" / "1.txt").write_text(SAID)
    (folder / "brat" / "1.ann").write_text(f"The kanarie\tX 0 3\t{SAID}\n")
    return folder


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """One with words, one with vectors too."""
    home = tmp_path_factory.mktemp("indexes")
    codes = ontology().concepts["code"].to_list()
    vectors = np.random.default_rng(0).normal(size=(len(codes), 384)).astype(np.float32)
    with_vectors = ConceptIndex.from_vectors(codes, vectors, ontology())
    return str(index().save(home / "lexical")), str(with_vectors.save(home / "vectors"))


OUT = "a new folder"


def commands(path: Path, lexical: str, vectors: str, home: Path) -> list[list[str]]:
    given, out = str(path), OUT
    mapper = ["--ontology", lexical, "--encoder", "none"]
    good = str(home / "good.csv")
    return [
        ["code", given, "-o", out, *mapper],
        ["code", good, "-o", out, "--rollup", given, *mapper],
        ["spans", given, good, *mapper],
        ["spans", good, given, *mapper],
        ["evaluate", given, given],
        ["evaluate", good, given],
        ["rollup", given, "--to", "chapter", "--ontology", lexical],
        ["rollup", good, "--to", given, "--ontology", lexical],
        ["rollup", given, "--scores", "sum", "--to", "chapter", "--ontology", lexical],
        ["align", given, "--ontology", lexical],
        ["adapt", given, "-o", out, "--index", vectors],
        ["adapt", "--notes", given, "-o", out, "--index", vectors],
        ["build", lexical_release(home), "-o", out, "--encoder", "none", "--synonyms", given],
        ["build", lexical_release(home), "-o", out, "--vectors", given],
        ["build", given, "-o", out, "--encoder", "none"],
        ["build", given, "-o", out, "--encoder", "none", "--system", "icd10cm", "--lenient"],
        ["info", given],
    ]


def lexical_release(home: Path) -> str:
    release = home / "small.obo"
    release.write_text("format-version: 1.2\ndata-version: 1\n\n[Term]\nid: X:1\nname: cough\n")
    return str(release)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONCEPTMAP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "good.csv").write_text("note_id,text,code,score,start_char,end_char\n1,a cough,R05.9,0.5,2,7\n")
    return tmp_path


NAMES = [*TABLES, "columns.parquet", "types.parquet", "brat"]


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_no_command_says_a_word_of_its_inputs(
    name: str, files: Path, indexes: tuple[str, str], home: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("conceptmap.commands.adapt.encoder_of", lambda _: FakeEncoder())
    said: list[tuple[list[str], int, str]] = []
    for number, command in enumerate(commands(files / name, *indexes, home)):
        code = main([str(home / f"out{number}") if part == OUT else part for part in command])
        out, err = capfd.readouterr()
        texts = [err] if code == 0 else [out, err]  # what a command was asked for may hold what it was given
        texts += [path.read_text() for path in home.rglob("run.json")]
        if code == 1 or any(canary.lower() in text.lower() for text in texts for canary in CANARIES):
            said.append((command, code, err))
    assert said == []


class FakeEncoder:
    """Never reached: every input is refused before."""

    name, revision, dim, licence, non_commercial = "fake", "1", 384, "none", False


def test_python_calls_say_nothing_either() -> None:
    notes = pl.DataFrame({SAID: [SAID]})
    mapper = pytest.importorskip("small_mapper").mapper()
    for call in (
        lambda: mapper.code(notes),
        lambda: mapper.spans(
            pl.DataFrame({"note_id": ["1"], "text": ["a"]}),
            pl.DataFrame({"note_id": [SAID], "start_char": [0], "end_char": [1]}),
        ),
        lambda: ontology().with_terms(notes),
        lambda: ontology().nodes_of([SAID, "kanarie"]),
        lambda: ontology().node(SAID),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert not any(canary in str(caught.value) for canary in CANARIES)


@pytest.mark.parametrize("where", ["read_parquet", "scan_parquet"])
def test_a_panic_of_polars_is_an_error_of_the_file_and_says_nothing(
    where: str, home: Path, indexes: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"note_id": ["1"], "text": ["a"], "code": ["R05.9"]}).write_parquet(home / "n.parquet")

    def panics(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException(SAID)

    monkeypatch.setattr(pl, where, panics)
    given = str(home / "n.parquet")
    code = ["code", given, "-o", "out", "--encoder", "none", "--ontology", indexes[0]]
    assert main(code if where == "scan_parquet" else ["evaluate", given, given]) == 2
    err = capfd.readouterr().err
    assert "cannot read" in err
    assert not any(canary in err for canary in CANARIES)


def test_a_panic_anywhere_else_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def panics(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException(SAID)

    monkeypatch.setattr("conceptmap.commands.info._of_installation", panics)
    assert main(["info"]) == 1
    err = capfd.readouterr().err
    assert err.startswith("conceptmap: internal error: PanicException in test_canaries.py")
    assert not any(canary in err for canary in CANARIES)
