"""Tuned encoders: low-rank changes of a base encoder's matrices, merged into its weights when it is loaded."""
