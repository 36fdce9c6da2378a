"""Lists of image URIs: which files they are, whether they can be read, and each line or row as an `ImageRef`."""
