"""What a note says before any ontology is asked: words, sentences, sections, context."""
