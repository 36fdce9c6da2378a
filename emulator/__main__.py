"""`python -m image_analysis_beam.emulator`."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
