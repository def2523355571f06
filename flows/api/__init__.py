"""The REST API: routes, access control, the queue of exports and downloads."""
