"""Pages about measurements: what ``evaluate`` and ``probe`` found."""
