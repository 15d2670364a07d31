"""The inner loops of the search, compiled for the processor at hand."""
