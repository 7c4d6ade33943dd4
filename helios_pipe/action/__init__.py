"""One step as data, and its key."""
