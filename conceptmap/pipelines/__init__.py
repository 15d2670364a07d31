"""Pipelines of other libraries that a mapper takes part in."""
