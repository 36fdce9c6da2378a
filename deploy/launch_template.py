"""What the flex template's launcher starts: the job, with the template's parameters as its flags."""

import sys

from image_analysis_beam.pipeline.template import launch

if __name__ == "__main__":
    sys.exit(launch())
