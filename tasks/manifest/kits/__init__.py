"""Kit files that are edited: their folder, their text, and operations on their pads."""
