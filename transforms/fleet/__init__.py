"""The processes that share a limit: leases, and what each may have of it. Knows files and nothing else."""
