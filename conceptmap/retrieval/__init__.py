"""Late-interaction search over notes: kept passages, exact MaxSim, and why a note was found."""
