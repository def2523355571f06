"""Floor 3: the order of the work, and the doors into it."""
