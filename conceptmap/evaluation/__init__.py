"""Figures of predictions against a gold standard: codes, mentions, spans and tokens, flat and along the hierarchy."""
