"""Tuning an encoder to the names of concepts and to how notes say them: what ``conceptmap tune`` does."""
