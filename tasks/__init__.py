"""Floor 2: the work. One folder per noun, in the order the data flows."""
