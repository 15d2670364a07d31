"""Tables that come with the package: what clinical language and coding rules are, as facts."""
