"""How probably a coder would report a code that was found: what is known of it, weighed by numbers fitted elsewhere."""
