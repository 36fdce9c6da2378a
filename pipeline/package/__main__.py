"""`python -m image_analysis_beam`: the command."""

import sys

from image_analysis_beam.pipeline.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
