"""Adapters: what annotated notes teach about an encoder and an index.

READ FIRST in this folder. `adapter` is what is applied; `linear` fits its map, `memory` holds the wordings that were
annotated, `judge` says how surely a mention is right, `calibration` turns that into a probability, `store` is the
folder on disk. How they are trained is in `conceptmap.training.train`.
"""

from __future__ import annotations

from conceptmap.adapters.adapter import Adapter
from conceptmap.adapters.store import open_adapter, save_adapter

__all__ = ["Adapter", "open_adapter", "save_adapter"]
