"""What a mapper gives: annotated notes and results, how they show themselves, and where they go from there."""
