"""Ontologies published as graphs: OBO's and RDF's terms, and RDF itself (OWL, SKOS)."""
