"""Vectors that stay on the device that computed them: on a processor, torch's tensors and numpy in CuPy's place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from coded_mapper import full_mapper
from numpy.typing import NDArray
from polars.testing import assert_frame_equal
from tiny_models import make

from conceptmap.adapters import Adapter
from conceptmap.adapters.adapter import Compatibility
from conceptmap.adapters.memory import NAMES, SEEN, Memory
from conceptmap.encoders import device, load_encoder, precision, resident
from conceptmap.encoders.device import LEAST_TOKENS, MOST_TOKENS, DeviceMemory, Meter
from conceptmap.encoders.embeddings import TokenEmbeddings, filled, joined, mixed, on_host
from conceptmap.errors import InputError
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.topk import chosen_device, gpu
from conceptmap.topk.gpu import numpy_kit


def _random(n: int, dim: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


@pytest.fixture(params=["numpy", "tensor", pytest.param("cuda", marks=pytest.mark.gpu)])
def stored(request: pytest.FixtureRequest) -> Callable[[NDArray[Any]], Any]:
    """Where vectors lie."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    places: dict[str, Callable[[NDArray[Any]], Any]] = {
        "numpy": lambda array: array,
        "tensor": torch.from_numpy,
        "cuda": lambda array: torch.from_numpy(array).cuda(),
    }
    return places[request.param]


def test_weighted_sums(stored: Callable[[NDArray[Any]], Any]) -> None:
    """Sums of none, of one and of many, also at both ends."""
    vectors, generator = _random(40, 7, 1), np.random.default_rng(2)
    counts = np.array([0, 3, 0, 0, 1, 6, 2, 0])
    rows, weights = generator.integers(0, 40, 12), generator.random(12).astype(np.float32)
    starts = np.cumsum(counts) - counts
    parts = np.split(np.arange(12), starts[1:])
    expected = [(vectors[rows[part]] * weights[part, None]).sum(axis=0) for part in parts]
    found = mixed(stored(vectors), rows, weights, starts)
    assert type(found) is type(stored(vectors))
    np.testing.assert_allclose(on_host(found), np.array(expected), atol=1e-6)
    nothing = mixed(stored(vectors), rows[:0], weights[:0], np.zeros(3, np.int64))
    assert on_host(nothing).tolist() == np.zeros((3, 7)).tolist()


def test_joining_and_zero_rows(stored: Callable[[NDArray[Any]], Any]) -> None:
    first, second = _random(3, 5, 3), np.zeros((2, 5), np.float32)
    whole = joined([stored(first), stored(second), stored(first[:0])])
    assert type(whole) is type(stored(first))
    np.testing.assert_array_equal(on_host(whole), np.concatenate([first, second]))
    assert filled(whole).tolist() == [0, 1, 2]
    tokens = TokenEmbeddings(stored(first), np.arange(3), np.arange(3) + 1)
    np.testing.assert_array_equal(tokens.on_host().vectors, first)


def test_unit_vectors_keep_zero_rows() -> None:
    vectors = np.concatenate([_random(3, 5, 4), np.zeros((1, 5), np.float32)])
    lengths = torch.linalg.vector_norm(resident.unit(torch.from_numpy(vectors)), dim=1)
    np.testing.assert_allclose(lengths.numpy(), [1, 1, 1, 0], atol=1e-6)


class Pretended:
    """A device of so much memory, of which a forward takes so much for each token and for each pair of a sequence."""

    def __init__(self, size: int, token: int, pair: int) -> None:
        self.size, self.token, self.pair, self.top = size, token, pair, 0
        self.batches: list[int] = []
        self.memory = DeviceMemory(
            used=lambda: 1000,
            peak=lambda: 1000 + self.top,
            restart=self.restart,
            free=lambda: size,
            release=lambda: None,
        )

    def restart(self) -> None:
        self.top = 0

    def forward(self, inputs: list[NDArray[Any]]) -> None:
        longest = max(map(len, inputs))
        self.batches.append(len(inputs))
        needed = len(inputs) * longest * (self.token + self.pair * longest)
        if needed > self.size:
            raise torch.OutOfMemoryError
        self.top = max(self.top, needed)


def _ids(*lengths: int) -> list[NDArray[np.int64]]:
    return [np.zeros(length, np.int64) for length in lengths]


def test_batches_are_sized_by_what_a_few_inputs_take() -> None:
    pretended = Pretended(10_000_000, token=1000, pair=0)
    meter = Meter(pretended.memory)
    assert meter.batch_tokens(pretended.forward, _ids(10, 700, *[900] * 20)) == 5000
    assert pretended.batches == [4]  # 4,096 tokens of the longest
    assert meter.batch_tokens(pretended.forward, _ids(*[899] * 20)) == 5000
    assert pretended.batches == [4]  # nothing longer: not measured again
    assert meter.batch_tokens(pretended.forward, []) == 5000


def test_longer_inputs_are_measured_again() -> None:
    pretended = Pretended(1 << 30, token=1000, pair=100)
    meter = Meter(pretended.memory)
    short, long = (meter.batch_tokens(pretended.forward, _ids(*[length] * 20)) for length in (100, 1000))
    assert short == (1 << 29) // 11_000
    assert long == (1 << 29) // 101_000


@pytest.mark.parametrize(("size", "token", "expected"), [(1 << 20, 1 << 9, LEAST_TOKENS), (1 << 40, 1, MOST_TOKENS)])
def test_batches_have_a_least_and_a_most(size: int, token: int, expected: int) -> None:
    pretended = Pretended(size, token, pair=0)
    assert Meter(pretended.memory).batch_tokens(pretended.forward, _ids(512)) == expected


def test_a_sample_that_does_not_fit_is_halved() -> None:
    pretended = Pretended(1_000_000, token=1000, pair=0)
    assert Meter(pretended.memory).batch_tokens(pretended.forward, _ids(*[400] * 20)) == LEAST_TOKENS
    assert pretended.batches[:3] == [10, 5, 3]
    with pytest.raises(torch.OutOfMemoryError):
        Meter(pretended.memory).batch_tokens(pretended.forward, _ids(1500))


NOTES = pl.DataFrame(
    {
        "note_id": ["a", "b", "c", "d"],
        "text": [
            "71-year-old man with type 2 diabetes mellitus and high blood pressure. No chest pain.\nFilm: pneumonia.",
            "Mother with heart failures.   Return if chest pains develop; otherwise hypertensive disease is stable.",
            "",
            "...",
        ],
    }
)
SPANS = pl.DataFrame({"note_id": ["a", "b", "b"], "start_char": [21, 12, 0], "end_char": [45, 26, 6]})


@pytest.fixture(scope="module")
def on_processor() -> ConceptMapper:
    """In float32 on every processor, also on one that computes in bfloat16 by itself."""
    return ConceptMapper.load(*full_mapper().indexes, encoder=load_encoder("embedded", dtype="float32"))


@pytest.fixture
def brought() -> list[tuple[int, ...]]:
    """Shapes of what goes between the host and the device."""
    return []


@pytest.fixture(params=["tensor", pytest.param("cuda", marks=pytest.mark.gpu)])
def on_device(
    request: pytest.FixtureRequest,
    on_processor: ConceptMapper,
    brought: list[tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> ConceptMapper:
    """The same mapper with its vectors on a device, or in tensors that pretend to be there."""
    if request.param == "cuda":
        if chosen_device("auto") != "cuda":
            pytest.skip("no CUDA device, or no CuPy")
        return ConceptMapper.load(*on_processor.indexes, device="cuda", dtype="float32")
    for module in (device, precision):
        monkeypatch.setattr(module, "stays", lambda where: True)
    kit = numpy_kit()

    def to_host(array: Any) -> NDArray[Any]:
        brought.append(array.shape)
        return kit.to_host(array)

    def adopt(values: Any) -> NDArray[Any]:
        adopted: NDArray[Any] = kit.adopt(values)
        if isinstance(values, torch.Tensor):
            assert adopted.ctypes.data == values.data_ptr()
        else:
            brought.append(values.shape)
        return adopted

    monkeypatch.setattr(gpu, "cuda_kits", lambda name: (replace(kit, to_host=to_host, adopt=adopt),))
    moved = torch.Tensor.cpu

    def cpu(tensor: torch.Tensor) -> torch.Tensor:
        brought.append(tuple(tensor.shape))
        return moved(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    encoder = load_encoder("embedded", dtype="float32")
    return ConceptMapper.load(*on_processor.indexes, encoder=encoder, device="cuda")


def _same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    numbers = [name for name, kind in expected.schema.items() if kind.is_float()]
    assert_frame_equal(found.drop(numbers), expected.drop(numbers))
    for name in numbers:
        assert (found[name].is_null() == expected[name].is_null()).all()
        np.testing.assert_allclose(found[name].drop_nulls(), expected[name].drop_nulls(), atol=1e-4)


def test_notes_are_read_the_same_and_no_vector_comes_back(
    on_device: ConceptMapper, on_processor: ConceptMapper, brought: list[tuple[int, ...]]
) -> None:
    """Token vectors go to the search as they are; what comes back is scores, rows and flags."""
    assert on_device.encoder is not None
    tokens = on_device.encoder.tokens(NOTES["text"].to_list())
    assert all(isinstance(one.vectors, torch.Tensor) for one in tokens)
    assert [len(one.vectors) for one in tokens] == [len(one) for one in tokens]
    brought.clear()
    found = on_device.annotate_many(NOTES, tags=3, candidates=4)
    assert all(on_device.encoder.dim not in shape for shape in brought)
    expected = on_processor.annotate_many(NOTES, tags=3, candidates=4)
    for name in ("mentions", "codes", "tags", "candidates"):
        _same(getattr(found, name), getattr(expected, name))
    assert (found.mentions["evidence"] != "lexical").any()
    _same(on_device.spans(NOTES, SPANS, k=3), on_processor.spans(NOTES, SPANS, k=3))


def test_tokens_are_stitched_the_same(on_device: ConceptMapper, on_processor: ConceptMapper) -> None:
    """Overlapping windows, sentences that repeat, and only what is asked for."""
    assert on_device.encoder is not None
    assert on_processor.encoder is not None
    texts = ["fever and cough " * 200, "No fever. No fever. " * 3, "", "chest pain"]
    for spans in (None, [[(16, 21)], [(3, 8)], [], [(0, 5)]]):
        pairs = zip(*(one.tokens(texts, spans=spans) for one in (on_device.encoder, on_processor.encoder)), strict=True)
        for found, expected in pairs:
            np.testing.assert_array_equal(found.start_char, expected.start_char)
            np.testing.assert_allclose(on_host(found.vectors), expected.vectors, atol=1e-4)


def test_an_adapter_works_where_the_vectors_are() -> None:
    vectors = np.concatenate([_random(5, 8, 5), np.zeros((1, 8), np.float32)])
    nothing = Memory(pl.DataFrame(schema=NAMES), pl.DataFrame(schema=SEEN))
    fit = Compatibility("an-encoder", "1", 8, "test", "2099", 6, "0" * 64)
    adapter = Adapter(fit, nothing, matrix=_random(8, 6, 6), inside=_random(1, 9, 7)[0])
    mapped = adapter.mapped(torch.from_numpy(vectors))
    assert isinstance(mapped, torch.Tensor)
    np.testing.assert_allclose(on_host(mapped), adapter.mapped(vectors), atol=1e-6)
    outside = adapter.outside(vectors)
    assert 0 < outside.sum() < 6
    np.testing.assert_array_equal(adapter.outside(torch.from_numpy(vectors)), outside)


def test_batches_that_do_not_fit_are_halved_down_to_one_window(on_processor: ConceptMapper) -> None:
    assert on_processor.encoder is not None
    encoder, tried, released = on_processor.encoder, [], []

    def forward(inputs: list[NDArray[np.int64]], rows: NDArray[np.int64] | None = None) -> Any:
        tried.append(len(inputs))
        if len(inputs) > most:
            raise torch.OutOfMemoryError
        return encoder.model.forward(inputs, rows)

    memory = DeviceMemory(lambda: 0, lambda: 0, lambda: None, lambda: 1 << 40, lambda: released.append(1))
    tight = replace(encoder, model=replace(encoder.model, forward=forward, threads=1, meter=Meter(memory)))
    texts = [f"{word} fever. " * 3 for word in ("high", "low", "no", "some", "more")]
    for most in (2, 1):
        for found, expected in zip(tight.tokens(texts), encoder.tokens(texts), strict=True):
            np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
        assert max(tried) > most
        assert released
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        tight.tokens(texts)


def test_the_next_batch_is_encoded_while_this_one_is_searched(
    on_processor: ConceptMapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a lane of its own: the search of the first batch ends only after the encoding of the second began."""
    assert on_processor.encoder is not None
    began = [threading.Event() for _ in range(4)]
    order: list[str] = []

    @contextmanager
    def lane() -> Iterator[None]:
        order.append(threading.current_thread().name)
        began[len(order) - 1].set()
        yield

    encoder = replace(on_processor.encoder, model=replace(on_processor.encoder.model, lane=lane))
    mapper = replace(on_processor, encoder=encoder)
    search = ConceptIndex.search
    seen: list[str] = []

    def searched(self: ConceptIndex, *given: Any, **options: Any) -> Any:
        if not seen:
            assert began[1].wait(timeout=60)
        seen.append(threading.current_thread().name)
        return search(self, *given, **options)

    monkeypatch.setattr(ConceptIndex, "search", searched)
    monkeypatch.setattr("conceptmap.notes.given.BATCH_CHARS", 10)
    found = mapper.annotate_many(NOTES)
    assert found.codes.height > 1
    assert not set(order) & set(seen)


def test_a_lane_is_one_stream_and_ends_when_its_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of torch for a CUDA device: weights first, then everything on the stream, then the wait."""
    said: list[str] = []

    class Stream:
        def __init__(self, where: torch.device) -> None:
            said.append(f"new stream on {where}")

        def synchronize(self) -> None:
            said.append("wait for the stream")

    @contextmanager
    def current(stream: Stream) -> Iterator[None]:
        said.append("stream begins")
        yield
        said.append("stream ends")

    monkeypatch.setattr(torch.cuda, "synchronize", lambda where: said.append(f"wait for {where}"))
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", current)
    fed = precision.feeding("cuda:1")
    assert fed["threads"] == 1
    assert fed["meter"].length == 0
    for _ in range(2):
        with fed["lane"]():
            said.append("encode")
    first = ["wait for cuda:1", "new stream on cuda:1"]
    assert said == first + 2 * ["stream begins", "encode", "stream ends", "wait for the stream"]
    said.clear()
    with pytest.raises(torch.OutOfMemoryError), fed["lane"]():
        raise torch.OutOfMemoryError
    assert said == ["stream begins"]


def test_a_torch_that_cannot_use_the_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"torch cannot use this device: got cuda, torch .*pip install torch"):
        load_encoder("embedded", device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    precision.check_usable("cuda:1")
    with pytest.raises(InputError, match="got cuda:2"):
        precision.check_usable("cuda:2")


@pytest.mark.parametrize("family", ["plain-modernbert", "sentence-bert-mean"])
def test_other_encoders_leave_their_vectors_too(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded batches and packed ones; terms come to the host, where indexes are built."""
    folder = make(tmp_path, family)
    texts = ["Pt is a 67yo F w/ T2DM, CKD stage 3 and HTN. " * 8, "x", "", "Denies chest pain, SOB or fever."]
    plain = load_encoder(folder)
    for module in (device, precision):
        monkeypatch.setattr(module, "stays", lambda where: True)
    resident_too = load_encoder(folder)
    for found, expected in zip(resident_too.tokens(texts), plain.tokens(texts), strict=True):
        assert isinstance(found.vectors, torch.Tensor)
        np.testing.assert_allclose(on_host(found.vectors), expected.vectors, atol=1e-5)
    np.testing.assert_allclose(resident_too.terms(texts[1:]), plain.terms(texts[1:]), atol=1e-5)
