"""Terms found in texts."""
