"""What a table is: an Arrow schema whose every field says what it means, and how its rows are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .reading import Flatten

SCHEMA_VERSION = 3

STRING, INT32, INT64, FLOAT64, BOOL = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()
TIMESTAMP = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.field("element", STRING))
POLYGON = pa.list_(pa.field("element", FLOAT64))
SPANS = pa.list_(pa.field("element", pa.struct([("offset", INT32), ("length", INT32)])))
TAGS = pa.list_(pa.field("element", pa.struct([("name", STRING), ("confidence", FLOAT64)])))


def column(
    name: str,
    kind: pa.DataType,
    description: str,
    *,
    path: str = "",
    unit: str = "",
    nullable: bool = False,
    references: str = "",
    since: int = 1,
) -> pa.Field:
    """A field with its documentation: JSON path in the answer, unit, the schema version that brought it, and the
    column (`table.column`) of the same answer whose values it takes."""
    notes = {"description": description, "json_path": path, "unit": unit, "references": references, "since": str(since)}
    return pa.field(name, kind, nullable=nullable, metadata={key: text for key, text in notes.items() if text})


def box(path: str) -> list[pa.Field]:
    """The columns x, y, w, h of a bounding box."""
    meanings = {"x": "left edge", "y": "top edge", "w": "width", "h": "height"}
    return [
        column(name, INT32, f"{meaning} of the bounding box", path=f"{path}.{name}", unit="pixel")
        for name, meaning in meanings.items()
    ]


def confidence(path: str, nullable: bool = False) -> pa.Field:
    """A confidence, exactly as received."""
    return column("confidence", FLOAT64, "confidence, exactly as received", path=path, unit="0 to 1", nullable=nullable)


ORDINAL = column("ordinal", INT32, "position in the answer, from 0")
KEY = [
    column("image_id", STRING, "hash of the canonical image URI, 32 hex digits"),
    column("image_uri", STRING, "the image's URI as given, without userinfo and signature"),
    column("fingerprint", STRING, "hash of what was asked; the manifest of the run spells it out"),
    column("run_id", STRING, "the run that committed the row; its manifest is runs/<run_id>.json"),
]

CALL = [
    column("request_id", STRING, "apim-request-id: the id to quote to support", nullable=True),
    column("region", STRING, "x-ms-region: where the service ran", nullable=True),
    column("billed_units", INT32, "CSP-Billing-Usage: transactions billed for the answer", nullable=True),
    column("latency_ms", FLOAT64, "of the attempt that was answered", unit="millisecond"),
    column("attempts", INT32, "HTTP requests that the image took"),
    column("maybe_billed", BOOL, "whether an earlier attempt got no answer, and may have been billed too"),
]


SENT = [
    column(
        "fit", INT32, "`--fit`, where the image was not sent as it is; null: sent untouched", nullable=True, since=3
    ),
    column("sent_width", INT32, "width of what was sent as bytes, as stored", unit="pixel", nullable=True, since=3),
    column("sent_height", INT32, "height of what was sent as bytes, as stored", unit="pixel", nullable=True, since=3),
    column("sent_bytes", INT64, "size of the image as it was sent; null: by URL", unit="byte", nullable=True, since=3),
    column("sent_format", STRING, "format of what was sent as bytes", nullable=True, since=3),
    column("content_bytes", INT64, "size of the image itself, where it was read", unit="byte", nullable=True, since=3),
    column("content_sha256", STRING, "SHA-256 of the image itself, where it was read", nullable=True, since=3),
    column(
        "content_etag",
        STRING,
        "what the store told the image by, where it was read: generation (GCS), ETag (S3, Azure), or of a local file "
        "the time of its last change in nanoseconds and its size",
        nullable=True,
        since=3,
    ),
]

COPY_OF = column(
    "copy_of",
    STRING,
    "the image with the same bytes that was called, whose outcome this one took; null: it took its own",
    nullable=True,
    since=3,
)


@dataclass(frozen=True)
class TableSpec:
    """A table: `kind` is `section` (rows from answers) or `record` (rows from outcomes).

    A section table reads the JSON section `section` of answers with `flatten(sections)`, which yields rows and raises
    `Malformed` where a section is not the contract.
    """

    name: str
    description: str
    columns: tuple[pa.Field, ...]
    primary_key: tuple[str, ...]
    kind: str = "section"
    section: str = ""
    flatten: Flatten | None = None

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with description and schema version in its metadata."""
        notes = {"description": self.description, "schema_version": str(SCHEMA_VERSION), "table": self.name}
        return pa.schema(self.columns, metadata=notes)

    def to_table(self, records: Sequence[Iterable[Any]]) -> pa.Table:
        """The Arrow table of outcome records, whose fields are the columns in order.

        Half surrogate pairs, as in file names that are not UTF-8, are written as `\\udcff`. Raises TypeError or
        ValueError, naming the column, where a record is not of the table.
        """
        values = list(zip(*records, strict=True)) or [()] * len(self.columns)
        cells = zip(values, self.columns, strict=True)
        return pa.Table.from_arrays([self._array(column, field) for column, field in cells], schema=self.schema)

    def conform(self, rows: pa.Table, names: Iterable[str] | None = None) -> pa.Table:
        """Rows of any version as `names` (all columns where None) in the present types; other columns are left out.

        Null is what the rows have no column for, and a value that the present type cannot hold.
        """
        schema, absent = self.schema, pa.nulls(rows.num_rows)
        wanted = pa.schema([schema.field(name) for name in names or schema.names], schema.metadata)
        cells = dict(zip(rows.column_names, rows.columns, strict=True))
        columns = [_cast(cells.get(field.name, absent), field.type) for field in wanted]
        return pa.Table.from_arrays(columns, schema=wanted)

    def filled(self, rows: pa.Table) -> pa.Table:
        """Conformed rows as they can be written: no null, but "", 0, false, [] or 1970, where none may be."""
        columns = zip(rows.columns, rows.schema, strict=True)
        return pa.Table.from_arrays(
            [cells if field.nullable else pc.fill_null(cells, _empty(field.type)) for cells, field in columns],
            schema=rows.schema,
        )

    def _array(self, cells: Sequence[Any], field: pa.Field) -> pa.Array:
        if not field.nullable and None in cells:
            raise ValueError(f"{self.name}.{field.name} is null")
        if pa.types.is_integer(field.type) and not set(map(type, cells)) <= {int, type(None)}:
            raise TypeError(f"{self.name}.{field.name} is not an integer")
        try:
            return pa.array(cells, field.type)
        except UnicodeEncodeError:
            return self._array([_storable(cell) for cell in cells], field)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TypeError(f"{self.name}.{field.name}: {error}") from None


def _cast(cells: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    options = pc.CastOptions(kind, allow_time_truncate=True)
    try:
        return pc.cast(cells, options=options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array([pa.array([_cast_one(cell, options) for cell in cells], kind)])


def _cast_one(cell: pa.Scalar, options: pc.CastOptions) -> Any:
    try:
        return cell.cast(options=options).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _empty(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_list(kind):
        return pa.scalar([], kind)
    return pa.scalar("" if pa.types.is_string(kind) else 0).cast(kind)


def _storable(cell: Any) -> Any:
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell


def section_table(
    name: str,
    section: str,
    description: str,
    columns: Iterable[pa.Field],
    flatten: Flatten,
) -> TableSpec:
    """A table of one section of the answers."""
    primary_key = ("image_id", "fingerprint", "run_id", "ordinal")
    return TableSpec(name, description, (*KEY, ORDINAL, *columns), primary_key, "section", section, flatten)
