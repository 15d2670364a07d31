"""What every test shares: no network, reproducible property tests, one loaded mapper.

The ICD-10-CM index is built once into the user's cache folder, or into ``CONCEPTMAP_CACHE`` where that is set.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")
