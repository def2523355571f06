"""Supervise the long-running processes of `sp404 up`."""
