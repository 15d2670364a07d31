"""From mentions to the codes of a note."""
