"""Serve the REST API at the address of the settings: ``python -m flows.api``."""

from flows.api.app import main

if __name__ == "__main__":
    main()
