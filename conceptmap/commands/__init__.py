"""The commands of the command line, a module each; see ``cli``."""

from __future__ import annotations
