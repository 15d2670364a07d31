"""Mentions with what is said of them as one concept: "Family history of …", "Suspected …", "No …"."""
