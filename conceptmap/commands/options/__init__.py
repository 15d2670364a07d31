"""How a command line is read, and what several commands share: options, releases, tables."""
