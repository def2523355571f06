"""Export a manifest: plan, convert, record and report. Knows no Prefect."""
