"""Apache Beam transforms that analyze images with Azure Image Analysis 4.0: see `.transforms` and `.schemas`."""

__version__ = "0.2.0.dev0"
