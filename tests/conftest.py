"""What every test shares: no network, reproducible property tests, one loaded mapper.

The ICD-10-CM index is built once into the user's cache folder, or into ``CONCEPTMAP_CACHE`` where that is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from conceptmap.topk.gpu import Kit

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    """The kit that calls CuPy, over a CuPy that is numpy and looks at every launch."""
    import torch
    from pretended_cupy import modules

    from conceptmap.topk.gpu import cupy_kit

    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cupy_kit.cache_clear()
    yield cupy_kit()
    cupy_kit.cache_clear()
