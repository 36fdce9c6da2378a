"""Whole files on any Beam file system. Knows nothing of what is in them."""
