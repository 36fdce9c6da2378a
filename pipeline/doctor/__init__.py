"""`image-analysis-beam doctor`: what a run needs, each thing looked at by itself, each fault with its fix."""

from .command import main

__all__ = ["main"]
