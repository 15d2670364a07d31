"""The commands that measure: ``evaluate`` and what belongs to it."""
