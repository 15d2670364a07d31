"""The same exact top-k on a CUDA device, through CuPy; numpy may stand in for it, and does so in the tests.

The device multiplies 16-bit values in its tensor cores, keeps what a proved bound cannot rule out, and rescores that in
float64 from the stored rows: `search.py` holds the proof. CuPy is imported when a device is asked for, not before.
"""

from __future__ import annotations

from conceptmap.topk.gpu.kit import Kit, cuda_kits, cupy_kit, is_there, numpy_kit
from conceptmap.topk.gpu.rows import DeviceRows, place, shards
from conceptmap.topk.gpu.search import cosines, topk

__all__ = ["DeviceRows", "Kit", "cosines", "cuda_kits", "cupy_kit", "is_there", "numpy_kit", "place", "shards", "topk"]
