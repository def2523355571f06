"""Convert shards of a plan, publish the files, verify and prune them."""
