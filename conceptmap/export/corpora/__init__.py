"""Formats in which text mining keeps texts with marked mentions."""
