"""Release Format 2: what a release says beyond its hierarchy."""
