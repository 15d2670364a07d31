"""Writers of what conceptmap finds: tables (CSV, JSONL, Parquet) and the HTML report."""

from __future__ import annotations
