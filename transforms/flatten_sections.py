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
from apache_beam.pvalue import TaggedOutput

from ..schemas import Rejection, flatten
from ..schemas.outcomes import DeadLetter
from .endpoint.call import MAX_DEAD_LETTER_BODY
from .records import at_end_of_bundle

DEAD_LETTERS, COUNTS, TABLES = "dead_letters", "counts", "tables"
MOST_UNDER_WAY = 2  # tables that wait to be flattened, or to be passed on
_FLATTENER = ThreadPoolExecutor(2, "flatten sections")


class FlattenSections(beam.PTransform):
    """PCollection of `pa.Table` (schema of `responses`) -> dict of PCollections.

    `tables`: `(table name, pa.Table)`, of every section table and of `responses` itself.
    `dead_letters`: `DeadLetter`, class `malformed_response`, one per answer that is not the contract.
    `counts`: dicts to add up: `unknown.<JSON path>` of fields that the tables do not know.

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
        self._under_way: deque[Future[list[Any]]] = deque()

    def process(self, responses: pa.Table) -> Iterator[Any]:
        self._under_way.append(_FLATTENER.submit(lambda: list(self._flatten(responses))))
        while self._under_way and (self._under_way[0].done() or len(self._under_way) > MOST_UNDER_WAY):
            yield from self._under_way.popleft().result()

    def finish_bundle(self) -> Iterator[Any]:
        for flattened in self._under_way:
            yield from map(at_end_of_bundle, flattened.result())

    def _flatten(self, responses: pa.Table) -> Iterator[Any]:
        flattened = flatten(_stamp(responses, self._run_id))
        yield "responses", flattened.accepted
        for name, table in flattened.tables.items():
            if table.num_rows:
                yield name, table
        for rejection in flattened.rejected:
            yield TaggedOutput(DEAD_LETTERS, _dead_letter(responses, rejection, self._run_id))
        if flattened.unknown_fields:
            counts = {f"unknown.{path}": number for path, number in flattened.unknown_fields.items()}
            yield TaggedOutput(COUNTS, counts)


def _stamp(responses: pa.Table, run_id: str) -> pa.Table:
    index = responses.schema.get_field_index("run_id")
    field = responses.schema.field(index)
    return responses.set_column(index, field, pa.array([run_id] * responses.num_rows, field.type))


def _dead_letter(responses: pa.Table, rejection: Rejection, run_id: str) -> DeadLetter:
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
        first_attempt_at=analyzed_at,
        last_attempt_at=analyzed_at,
        request_id=row["request_id"],
        region=row["region"],
        billed_units=row["billed_units"],
        fingerprint=row["fingerprint"],
        redrive_count=row["redrive_count"],
        body=row["body"][:MAX_DEAD_LETTER_BODY],
        run_id=run_id,
    )
