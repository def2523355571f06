"""The command line `sp404`: one module per command group."""
