"""`FlattenSections`: answers become rows of the section tables, or dead letters where they are not the contract.

A thread does it: the bundle's own thread also hands out the calls, and while it is away the window of calls runs dry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from ..schemas import Rejection, flatten
from ..schemas.outcomes import DeadLetter
from .endpoint.settle import MAX_DEAD_LETTER_BODY
from .windowing import windowed

DEAD_LETTERS, COUNTS, TABLES = "dead_letters", "counts", "tables"
ANSWERS_AT_ONCE = 250  # fewer cost more each; with more, calls would wait for the interpreter meanwhile
MOST_UNDER_WAY = 2  # tables that wait to be flattened, or to be passed on


class FlattenSections(beam.PTransform):
    """PCollection of `pa.Table` (schema of `responses`) -> dict of PCollections.

    `tables`: `(table name, pa.Table)`, of every section table and of `responses` itself, which keeps every answer.
    `dead_letters`: `DeadLetter`, class `malformed_response`, one per answer that is not the contract.
    `counts`: dicts to add up: `unknown.<JSON path>` of fields that the tables do not know; `fitted.images` that were
      not sent as they are, and the bytes that they have more than what was sent (`fitted.bytes_saved`); `copies` that
      took the answer of another image with the same bytes.

    Args:
      run_id: stamped on the rows; answers taken over from a run that died become this run's.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    def expand(self, responses: beam.PCollection) -> dict[str, beam.PCollection]:
        outputs = responses | beam.ParDo(FlattenBatches(self._run_id)).with_outputs(DEAD_LETTERS, COUNTS, main=TABLES)
        return {name: outputs[name] for name in (TABLES, DEAD_LETTERS, COUNTS)}


class FlattenBatches(beam.DoFn):
    """`pa.Table` (schema of `responses`) -> what `FlattenSections` gives, tagged."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def start_bundle(self) -> None:
        self._held: dict[Any, list[pa.Table]] = {}
        self._threads = ThreadPoolExecutor(2, "flatten sections")
        self._under_way: deque[Future[list[Any]]] = deque()

    def process(self, responses: pa.Table, window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        held = self._held.setdefault(window, [])
        held.append(responses)
        if sum(table.num_rows for table in held) >= ANSWERS_AT_ONCE:
            self._begin(window)
        while self._under_way and (self._under_way[0].done() or len(self._under_way) > MOST_UNDER_WAY):
            yield from self._under_way.popleft().result()

    def finish_bundle(self) -> Iterator[Any]:
        for window in list(self._held):
            self._begin(window)
        for flattened in self._under_way:
            yield from flattened.result()
        self._threads.shutdown()

    def _begin(self, window: Any) -> None:
        responses = pa.concat_tables(self._held.pop(window))
        self._under_way.append(self._threads.submit(self._flatten, responses, window))

    def _flatten(self, responses: pa.Table, window: Any) -> list[Any]:
        return [windowed(value, window) for value in self._flattened(responses)]

    def _flattened(self, responses: pa.Table) -> Iterator[Any]:
        responses = _stamp(responses, self._run_id)
        flattened = flatten(responses)
        yield "responses", responses
        for name, table in flattened.tables.items():
            if table.num_rows:
                yield name, table
        for rejection in flattened.rejected:
            yield TaggedOutput(DEAD_LETTERS, _dead_letter(responses, rejection))
        counts = {f"unknown.{path}": number for path, number in flattened.unknown_fields.items()}
        if counts := counts | _fitted(flattened.tables["images"]) | _copies(flattened.tables["images"]):
            yield TaggedOutput(COUNTS, counts)


def _fitted(images: pa.Table) -> dict[str, int]:
    fitted = images.filter(images["fit"].is_valid())
    if not fitted.num_rows:
        return {}
    whole, sent = (pc.sum(fitted[name]).as_py() or 0 for name in ("content_bytes", "sent_bytes"))
    return {"fitted.images": fitted.num_rows, "fitted.bytes_saved": whole - sent}


def _copies(images: pa.Table) -> dict[str, int]:
    copies = images.num_rows - images["copy_of"].null_count
    return {"copies": copies} if copies else {}


def _stamp(responses: pa.Table, run_id: str) -> pa.Table:
    index = responses.schema.get_field_index("run_id")
    field = responses.schema.field(index)
    return responses.set_column(index, field, pa.array([run_id] * responses.num_rows, field.type))


def _dead_letter(responses: pa.Table, rejection: Rejection) -> DeadLetter:
    row: dict[str, Any] = responses.slice(rejection.row, 1).to_pylist()[0]
    analyzed_at: datetime = row["analyzed_at"]
    return DeadLetter(
        image_id=row["image_id"],
        image_uri=row["image_uri"],
        fault_class="malformed_response",
        http_status=200,
        code=None,
        inner_code=None,
        message=f"{rejection.path}: {rejection.message}",
        retryable=False,
        maybe_billed=row["maybe_billed"],
        attempts=row["attempts"],
        first_attempt_at=row["first_attempt_at"] or analyzed_at,
        last_attempt_at=analyzed_at,
        request_id=row["request_id"],
        region=row["region"],
        billed_units=row["billed_units"],
        fingerprint=row["fingerprint"],
        redrive_count=row["redrive_count"],
        body=row["body"][:MAX_DEAD_LETTER_BODY],
        run_id=row["run_id"],
    )
