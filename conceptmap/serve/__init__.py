"""The page in which a pasted note is explained word by word, and the JSON API under it."""
