"""Floor 1: the values. What the device takes, what the defaults are, which settings are in force."""
