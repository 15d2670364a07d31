"""Learning: from notes and the codes that coders gave them, to what `conceptmap.learned` applies."""
