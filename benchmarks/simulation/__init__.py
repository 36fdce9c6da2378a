"""Hundreds of worker processes against one limit, on a clock that costs nothing: `python -m benchmarks.simulation`."""
