"""Clinical notes in, with and without marked mentions."""
