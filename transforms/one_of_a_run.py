"""Steps that a run has once: a second one would take in again, or lose, what was paid for."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import apache_beam as beam

from .endpoint.errors import ConfigurationError

_STEPS: WeakKeyDictionary[beam.Pipeline, set[tuple[str, str, str]]] = WeakKeyDictionary()


def check_is_only(step: str, pipeline: beam.Pipeline, output: str, run_id: str) -> None:
    """Remembers a step of a run in a pipeline.

    Raises:
      ConfigurationError: there is one already.
    """
    if has_step(step, pipeline, output, run_id):
        raise ConfigurationError(
            f"run_id {run_id!r}",
            f"a run has one {step}, and this pipeline has one for it already, in {output!r}",
            "give all images to one, with all features in one request; or make several runs, in outputs of their own",
        )
    _STEPS.setdefault(pipeline, set()).add((step, output.rstrip("/"), run_id))


def has_step(step: str, pipeline: beam.Pipeline, output: str, run_id: str) -> bool:
    """Whether a pipeline has such a step of the run."""
    return (step, output.rstrip("/"), run_id) in _STEPS.get(pipeline, ())
