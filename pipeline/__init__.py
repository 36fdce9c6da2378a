"""The job: flags, graph, run, last lines. It wires the public transforms and nothing else."""
