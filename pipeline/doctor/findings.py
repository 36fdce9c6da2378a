"""A finding: one thing that was looked at, what there is, and what to do where it cannot work."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.endpoint.faults import FAULTS
from ..failures import STORAGE_ERRORS, fix_of, storage_failure
from ..troubleshooting import entry_of_configuration, entry_of_storage


class Finding(NamedTuple):
    """`entry` of docs/troubleshooting.md and `fix` are empty where `is_good`."""

    check: str
    is_good: bool
    said: str
    fix: str = ""
    entry: str = ""


def looked_at(check: str, look: Callable[[], str]) -> Finding:
    """What `look` says is there, or the fault that it raises."""
    try:
        return Finding(check, True, look())
    except ConfigurationError as error:
        return Finding(check, False, f"{error.value}: {error.rule}", error.fix, entry_of_configuration(str(error)))
    except STORAGE_ERRORS as error:
        what = storage_failure(error) or ""
        return Finding(check, False, what, fix := fix_of(what), entry_of_storage(fix))


def of_fault(check: str, name: str, said: str) -> Finding:
    """A fault of the decision table."""
    return Finding(check, False, f"{name}: {said}", FAULTS[name].fix, name)
