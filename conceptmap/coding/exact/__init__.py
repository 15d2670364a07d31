"""Which code: the causes, siblings and fragments that choose among the codes of one disease."""
