"""What ``adapt`` does: learning from notes."""
