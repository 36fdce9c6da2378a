"""`LookAgain`: of the images that are answered, which are not the same any more?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from .endpoint.uri import local_path
from .files.many import in_parallel
from .ledger.content import changed
from .ledger.plan import Case, plan_after_look
from .ledger.redrive import RedrivePolicy
from .live_counts import live_counts
from .member_fn import MemberFn
from .packing import unpack

TO_DO, COUNTS = "to_do", "counts"
_AT_ONCE = 32  # requests of a process, each for what a store tells of one object
CASES = 1000  # at most in a packed list, and looked at together


class LookAgain(beam.PTransform):
    """PCollection of packed lists of `Case` -> dict of PCollections.

    `to_do`: a `ToDo` for each image to be called. `counts`: dicts to add up.

    Args:
      output, run_id: of the run.
      features: what is asked; of a custom model, one name.
      policy: what is asked again.
    """

    def __init__(self, output: str | None, run_id: str, features: Sequence[str], policy: RedrivePolicy) -> None:
        super().__init__()
        self._look = _Look(output, run_id, features, policy)

    def expand(self, cases: beam.PCollection) -> dict[str, beam.PCollection]:
        looked_at = (
            cases
            | "SpreadCases" >> beam.Reshuffle()
            | "UnpackCases" >> beam.FlatMap(unpack)
            | "BatchCases" >> beam.BatchElements(CASES, CASES)  # most shards have few
            | "Look" >> beam.ParDo(self._look).with_outputs(COUNTS, main=TO_DO)
        )
        return {name: looked_at[name] for name in (TO_DO, COUNTS)}


class _Look(MemberFn):
    def __init__(self, output: str | None, run_id: str, features: Sequence[str], policy: RedrivePolicy) -> None:
        super().__init__(output, run_id)
        self._features, self._policy = features, policy

    def process(self, cases: list[Case]) -> Iterator[Any]:
        looked_at = in_parallel(_look_at, cases, _AT_ONCE)
        plan = plan_after_look(looked_at, self._features, self._policy)
        live_counts().add({"to_do": len(plan.to_do)})
        yield from plan.to_do
        yield TaggedOutput(COUNTS, plan.counts)

    def finish_bundle(self) -> None:
        live_counts().flush()


def _look_at(case: Case) -> tuple[Case, int | None]:
    return case, changed(local_path(case.image.uri), case.contents, case.image.etag)
