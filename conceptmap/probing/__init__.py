"""Probes: the same concepts in many wordings and contexts, made from an ontology's own terms, and what is found."""
