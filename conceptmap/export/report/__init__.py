"""The HTML report: what it shows of a note, its pages and its charts."""
