"""Rich Release Format: what its readers share, and RxNorm."""
