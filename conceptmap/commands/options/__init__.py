"""How a command line is read, and the options that several commands share."""
