"""The Dataflow job of a run: noted by who launches it, asked for its state by who wants to take the run over."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.runner import PipelineResult

_ENDED = {"DONE", "FAILED", "CANCELLED", "UPDATED", "DRAINED"}
_LAUNCH = re.compile(r"/template_launches/([^/]+)/")


def job_of(result: PipelineResult, options: PipelineOptions) -> dict[str, str]:
    """Where the state of a submitted job can be asked for; empty if it cannot.

    The launcher of a template submits nothing: it writes the job to a path in which Dataflow has put the job's id.
    """
    cloud = options.view_as(GoogleCloudOptions)
    launch = _LAUNCH.search(cloud.template_location or "")
    number = launch[1] if launch else getattr(result, "has_job", False) and result.job_id()
    return {"id": number, "project": cloud.project, "region": cloud.region} if number else {}


def job_has_ended(job: Mapping[str, str], options: PipelineOptions) -> bool:
    """Whether a job has ended, as Dataflow says; one whose state cannot be had has not."""
    theirs = PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
    cloud = theirs.view_as(GoogleCloudOptions)
    cloud.project, cloud.region = job["project"], job["region"]
    try:
        from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient  # may not be installed

        ask = inspect.unwrap(DataflowApplicationClient.get_job)  # as it is, it tries for ten minutes
        state = ask(DataflowApplicationClient(theirs), job["id"]).current_state
    except Exception:
        return False
    return str(state.name).removeprefix("JOB_STATE_") in _ENDED
