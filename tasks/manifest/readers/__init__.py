"""Read one kind of manifest each."""
