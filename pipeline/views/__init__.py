"""SQL views of an output folder: its committed runs, and of them the newest answers. No Beam for a folder on a disk."""
