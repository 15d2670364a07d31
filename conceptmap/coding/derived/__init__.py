"""Codes that no name in a note says: of drugs, injuries and what caused them, births and complications."""
