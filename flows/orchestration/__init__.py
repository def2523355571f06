"""Run exports under Prefect: the flow, its tasks, deployments and server."""
