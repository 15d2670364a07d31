"""What a release says: concepts, hierarchy, roll-up, maps."""
