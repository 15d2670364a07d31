"""The commands that help others to train."""
