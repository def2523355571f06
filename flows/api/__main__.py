"""Serve the REST API at the address of the settings: ``python -m flows.api``."""

from flows.api.server import main

if __name__ == "__main__":
    main()
