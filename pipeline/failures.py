"""What a run met that is no bug, in one sentence: a list that cannot be read, storage that is away, another owner.

Beam raises what a worker raised as the text of a traceback, and logs it from every place that it passes.
"""

from __future__ import annotations

import builtins
import logging
import re
import shlex

import pyarrow as pa

from ..schemas import TABLES
from ..transforms.endpoint.errors import ConfigurationError
from ..transforms.endpoint.redaction import scrub
from ..transforms.ledger.records import TakenOver

OWNED = 5  # exit code of a run that does not own its output, or does so no more
STORAGE_ERRORS = (OSError, pa.ArrowInvalid)  # BeamIOError is an OSError; a damaged Parquet file is the other
_NAME = f"{ConfigurationError.__module__}.{ConfigurationError.__qualname__}: "
_CONFIGURATION = re.compile(rf"{re.escape(_NAME)}(.*?)(?: \[while running '.*)?$", re.MULTILINE)
_NAMES = [name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, OSError)]
_ANY = rf"(?:{'|'.join({*_NAMES, 'BeamIOError', 'ArrowInvalid'})}): "
_FOUND = re.compile(rf"^(?:RuntimeError: )?(?:[\w.]+\.)?{_ANY}(.*?)(?: \[while running '.*)?$", re.MULTILINE)
_LOGGED = re.compile(rf"{re.escape(_NAME)}|\b{TakenOver.__name__}: |\b{_ANY}")
_ERRNO = re.compile(r"^\[Errno \d+\] ")
_OF_AN_OUTPUT = re.compile(rf"""(['"])(.+?)/(?:({"|".join(TABLES)}|journal)/run=|runs/(?:log/)?[\w-]+\.json)""")
_MENDED = {
    None: "restore it from a copy; the tables are untouched",
    "responses": "restore it from a copy; only reflatten, and SQL over raw.responses, take it",
    "journal": "move it away; then its images are called again",
}
CHECK = "check them and your rights"
_LOGGERS = (
    "apache_beam.runners.common",
    "apache_beam.runners.worker.sdk_worker",
    "apache_beam.runners.portability.local_job_service",
    "apache_beam.runners.portability.fn_api_runner.fn_runner",
)


def configuration_error(error: BaseException) -> str | None:
    """The message of the `ConfigurationError` that a failed pipeline tells of; None if it tells of none."""
    found = _CONFIGURATION.search(str(error))
    return found[1] if found else None


def storage_failure(error: BaseException) -> str | None:
    """What failed, if a failed pipeline tells of storage; None if it tells of something else."""
    if isinstance(error, STORAGE_ERRORS):
        return _first_line(str(error))
    found = _FOUND.findall(str(error))
    return _first_line(found[-1]) if found else None


def fix_of(what: str) -> str:
    """What a person can do about a `storage_failure`; a file of an output folder that it names may be damaged."""
    found = _OF_AN_OUTPUT.search(what)
    if found is None:
        return CHECK
    folder, table = found[2], found[3]
    anew = f"image-analysis-beam reflatten --stored {shlex.quote(folder)} --output {shlex.quote(f'{folder}-again')}"
    mended = _MENDED.get(table, f"restore it from a copy, or make a folder anew from the stored answers: {anew}")
    return f"{CHECK}; if a file is damaged or gone, {mended}"


def hush() -> None:
    """Keeps Beam from logging such errors: they are told at the end."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_something_else)


def _is_something_else(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    text = f"{record.getMessage()}\n{error}"
    return not (isinstance(error, (*STORAGE_ERRORS, TakenOver)) or _LOGGED.search(text))


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no details"
    return _ERRNO.sub("", scrub(line.partition(" [while running '")[0], ""))
