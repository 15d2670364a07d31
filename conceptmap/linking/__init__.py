"""Words and vectors together: which concepts a mention or token has."""
