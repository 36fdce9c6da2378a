"""The tables: Arrow schema, documentation and flatten function of each. No Beam, no HTTP."""

from .answer import answer_problem
from .flattening import Flattened, Rejection, flatten
from .registry import PARQUET_WRITE_OPTIONS, TABLES
from .table import SCHEMA_VERSION, TableSpec

__all__ = [
    "PARQUET_WRITE_OPTIONS",
    "SCHEMA_VERSION",
    "TABLES",
    "Flattened",
    "Rejection",
    "TableSpec",
    "answer_problem",
    "flatten",
]
