"""Code any number of notes into a folder of files: in shards, with bounded memory, every file whole or not there.

`run.code_notes` is the course of a run; `engines` says who codes the shards, `folder` where they are kept, `merge` how
the outputs are made of them.
"""

from __future__ import annotations

from conceptmap.batch.engine import ENGINES, Engine, MapperSource
from conceptmap.batch.engines import engine_for
from conceptmap.batch.owned import check_folder
from conceptmap.batch.progress import Progress, State
from conceptmap.batch.run import Run, code_notes
from conceptmap.batch.settings import FORMATS, Part, Settings

__all__ = [
    "ENGINES",
    "FORMATS",
    "Engine",
    "MapperSource",
    "Part",
    "Progress",
    "Run",
    "Settings",
    "State",
    "check_folder",
    "code_notes",
    "engine_for",
]
