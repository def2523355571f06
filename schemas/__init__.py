"""Floor 0: the words. What the rest of the house says to one another; no input, no output."""
