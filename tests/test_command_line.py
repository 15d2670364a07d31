"""Lines with a slip are told what was meant; a terminal of 80 columns sees what goes on and nothing wider."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_mapper import index

from conceptmap.batch.progress import State, run_bar
from conceptmap.cli import main
from conceptmap.progress import progress_bar, waiting

NOTES = "note_id,text\na,Hypertension.\nb,Pneumonia.\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.csv").write_text(NOTES)
    index().save(tmp_path / "index")
    return tmp_path


def refused(line: str, capfd: pytest.CaptureFixture[str]) -> str:
    """What is said of a line that cannot be understood: one line on stderr."""
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


SLIPS = {
    "cod notes.csv": "no such command: cod; did you mean code? conceptmap --help tells more",
    "rolup x": "did you mean rollup?",
    "notes.csv": "to code notes: conceptmap code NOTES -o OUT",
    "code notes.csv --outptu out": "no such option: --outptu; did you mean --output? conceptmap code --help tells more",
    "code --ontolgy=icd10cm": "no such option: --ontolgy; did you mean --ontology?",
    "tag fever --xylophone": "no such option: --xylophone; conceptmap tag --help tells more",
    "code notes.csv -o out --dtype float31": "did you mean float32?",
    "tag chest pain": "1 argument too many, the first pain; quote a text, and repeat an option",
    "build icd10cm -o i --synonyms a.obo b.obo": "1 argument too many, the first b.obo",
}


@pytest.mark.parametrize("line", SLIPS)
def test_a_slip_is_told_with_what_was_meant(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert SLIPS[line] in refused(line, capfd)


def test_a_text_in_the_place_of_a_command_is_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["secret chest pain"])
    err = capfd.readouterr().err
    assert "no such command: a text; to see the concepts of a text: conceptmap tag 'TEXT'" in err
    assert "secret" not in err


@pytest.mark.parametrize(
    ("line", "shown"), [([], "COMMAND"), (["help"], "COMMAND"), (["help", "rollup"], "--cut SUPPORT")]
)
def test_help_is_there_for_who_asks_and_who_says_nothing(
    line: list[str], shown: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line)
    assert caught.value.code == 0
    out, err = capfd.readouterr()
    assert shown in out
    assert err == ""


def test_an_ontology_does_not_swallow_the_notes_and_is_repeated(here: Path) -> None:
    alone = ["code", "-o", "out", "--encoder", "none", "--ontology", "index", "notes.csv"]
    assert main(alone) == 0
    assert len(json.loads((here / "out" / "run.json").read_text())["indexes"]) == 1
    both = ["code", "notes.csv", "-o", "both", "--fast", "--ontology", "icd10cm", "--ontology", "index"]
    assert main(both) == 0
    assert len(json.loads((here / "both" / "run.json").read_text())["indexes"]) == 2


def test_fast_is_the_encoder_none_and_nothing_else(here: Path) -> None:
    for out, how in (("a", ["--fast"]), ("b", ["--encoder", "none"])):
        assert main(["code", "notes.csv", "-o", out, "--ontology", "index", *how]) == 0
    assert (here / "a" / "codes.csv").read_bytes() == (here / "b" / "codes.csv").read_bytes()
    assert json.loads((here / "a" / "run.json").read_text())["encoder"] is None


def test_a_release_given_as_an_index_is_to_be_built_first(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    release = here / "own.obo"
    release.write_text("format-version: 1.2\nontology: doid\n\n[Term]\nid: DOID:1\nname: itch\n")
    (here / "release").mkdir()
    (here / "release" / "own.obo").write_bytes(release.read_bytes())
    for name in ("own.obo", "release"):
        assert main(["code", "notes.csv", "-o", "out", "--ontology", name]) == 2
        err = capfd.readouterr().err
        assert f"got {name}, which is a release" in err
        assert f"build it first: conceptmap build {name} -o INDEX" in err


def test_info_knows_the_embedded_index(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "icd10cm", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["system"] == "icd10cm"
    assert facts["concepts"] > 90_000


def test_a_finished_run_is_said_to_be_done_already(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = ["code", "notes.csv", "-o", "out", "--fast", "--ontology", "index"]
    assert main(line) == 0
    assert "2 notes, 1 annotation, 1 code in " in capfd.readouterr().err
    assert main(line) == 0
    said = capfd.readouterr().err
    assert re.search(r"already done on \d{4}-\d\d-\d\d at \d\d:\d\d: 2 notes, 1 annotation, 1 code: out; --no-", said)
    assert main([*line, "--no-resume"]) == 0
    assert "words/s" in capfd.readouterr().err


# -- on a terminal ----------------------------------------------------------------------------------------------------

BARS = """
import sys, time
from conceptmap.batch.progress import State, run_bar
from conceptmap.progress import progress_bar, waiting
with waiting("conceptmap: loading " + "index " * 40):
    pass
with progress_bar("building the index, once", unit="term") as progress:
    for done in range(0, 60_001, 20_000):
        progress(done, 60_000)
        time.sleep(0.15)
with run_bar() as progress:
    for done in range(0, 1_000_001, 250_000):
        progress(State(done, 1_000_000, done // 9, 100))
        time.sleep(0.15)
"""


def on_a_terminal(command: list[str], rows: int = 24, columns: int = 80) -> str:
    """All that a command writes to a pseudo-terminal of this size."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    said = b""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment) as running:
        os.close(follower)
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not part:
                break
            said += part
        assert running.wait() == 0
    os.close(leader)
    return said.decode()


def widest(said: str) -> int:
    return max(len(line) for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said)))


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals of POSIX")
def test_bars_fit_a_terminal_of_80_columns() -> None:
    said = on_a_terminal([sys.executable, "-c", BARS])
    assert "loading index" in said
    assert "building the index, once:  33%" in said
    assert "coding: 100%" in said
    assert "quarantined" in said
    assert widest(said) <= 80
    assert said.count("\n") == 2, "a line for each bar: nothing scrolled"


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals of POSIX")
def test_a_run_on_a_terminal_says_at_once_what_it_loads(here: Path) -> None:
    program = "import sys; from conceptmap.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", program, "code", "notes.csv", "-o", "out", "--fast", "--ontology", "index"]
    said = on_a_terminal(line)
    assert said.startswith("conceptmap: loading index, words alone …\r")
    assert "coding: 100%" in said
    assert "2 notes, 1 annotation, 1 code" in said.splitlines()[-1]


def test_nothing_is_drawn_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    with waiting("loading"), progress_bar("building", unit="term") as progress:
        progress(1, 2)
    with run_bar() as shown:
        shown(State(1, 2, 0, 0))
    assert capfd.readouterr() == ("", "")


def test_a_notebook_sees_the_bars(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", sys)
    with run_bar() as shown:
        shown(State(2, 2, 0, 0))
    assert "coding: 100%" in capfd.readouterr().err


LOADED = """
import sys
from conceptmap.cli import main
code = main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules} & set(HEAVY)), file=sys.stderr)
sys.exit(code)
"""
HEAVY = (
    *("torch", "transformers", "sentence_transformers", "sklearn", "scipy", "networkx", "pandas", "jinja2", "spacy"),
    *("narwhals", "pyarrow", "matplotlib"),
)


@pytest.mark.parametrize(
    ("line", "loaded"),
    [("code notes.csv -o out --fast --ontology index", ""), ("tag hypertension", "torch")],
)
def test_a_command_loads_nothing_heavy_that_it_does_not_need(line: str, loaded: str, here: Path) -> None:
    script = f"HEAVY = {HEAVY}\n{LOADED}"
    done = subprocess.run([sys.executable, "-c", script, *line.split()], capture_output=True, text=True, cwd=here)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == loaded
