"""Terms as rows of a matrix: built, saved, opened, searched."""
