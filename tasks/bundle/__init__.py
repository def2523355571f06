"""What stands beside the samples: metadata files."""
