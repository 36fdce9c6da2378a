"""`MemberFn`: a DoFn whose process says, as long as it is set up, that it works for a run."""

from __future__ import annotations

import apache_beam as beam

from .ledger.members import MEMBERS, Member


class MemberFn(beam.DoFn):
    """Base of the DoFns that plan, call and write.

    Args:
      output: the folder of the run; None where nobody else could know of it.
      run_id: the run.
    """

    _member: Member | None = None

    def __init__(self, output: str | None, run_id: str) -> None:
        self._output, self._run_id = output, run_id

    def setup(self) -> None:
        if self._output and self._run_id:
            self._member = MEMBERS.join(self._output, self._run_id)

    def teardown(self) -> None:
        if self._member is not None:
            self._member = None
            MEMBERS.leave(str(self._output), self._run_id)
