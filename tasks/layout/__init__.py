"""Pure: names, strategies, and from accepted rows to a plan and its shards. Reads nothing, writes nothing."""
