"""Lists, images and output: whether they can be read and written, and whether another run owns the output."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import islice
from uuid import uuid4

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from ...transforms.endpoint.errors import ConfigurationError
from ...transforms.endpoint.payload import is_sent_as_url
from ...transforms.endpoint.pictures import PayloadFault
from ...transforms.endpoint.uri import ImageRef, local_path
from ...transforms.files import storage
from ...transforms.files.many import remove_many
from ...transforms.files.schemes import scheme_of
from ...transforms.ledger.layout import Layout
from ...transforms.ledger.liveness import is_alive
from ...transforms.ledger.log import look
from ...transforms.lists.check import check_column_is_used, check_list
from ...transforms.lists.columns import DEFAULT_COLUMN
from ...transforms.lists.files import ListFile
from ...transforms.lists.matching import check_found, image_files, list_files
from ...transforms.lists.parsers import read_list
from ...transforms.lists.references import STANDARD_INPUT
from ...transforms.read_image_uris import ReadImageUris
from ..options import ImageAnalysisOptions
from ..paths import can_be_used, check_store, output_folder
from ..terminal import counted
from .findings import Finding, looked_at

_FIRST = 3  # images of each list and pattern that are opened
_LINES = 1000  # in which they are searched: a list may name URLs only


def places(
    flags: ImageAnalysisOptions, lists: list[str], images: list[str], options: PipelineOptions
) -> Iterator[Finding]:
    """One finding for each list and pattern of images, for a column that is named, and for the output."""
    if not lists and not images:
        yield looked_at("input", lambda: str(ReadImageUris()))
    files: list[ListFile] = []
    are_all_good = True
    for pattern in lists:
        found = looked_at("input", partial(_list, pattern, flags.uri_column, options, files))
        are_all_good = are_all_good and found.is_good
        yield found
    if are_all_good and flags.uri_column != DEFAULT_COLUMN:
        yield looked_at("uri_column", partial(_column, flags.uri_column, files))
    for pattern in images:
        yield looked_at("images", partial(_images, pattern, options))
    yield from _output(flags, options)


def _list(pattern: str, column: str, options: PipelineOptions, files: list[ListFile]) -> str:
    """Adds the files of the lists to `files`."""
    if pattern == STANDARD_INPUT:
        return "standard input is read by the run, not now"
    check_store(pattern, "input", options)
    found = list_files(pattern)
    files += found
    for file in found:
        check_list(file, column)
        _open_first(read_list(file, column), f"input {file.name!r}")
    return f"{pattern}: {counted(len(found), 'list')}, whose first images can be read"


def _column(column: str, files: list[ListFile]) -> str:
    check_column_is_used(files, column)
    return f"{column}: where the URIs stand in lists with columns"


def _images(pattern: str, options: PipelineOptions) -> str:
    check_store(pattern, "images", options)
    check_found(pattern, image_files(pattern))
    _open_first(image_files(pattern), f"images {pattern!r}")
    return f"{pattern}: {counted(sum(1 for _ in image_files(pattern)), 'file')}, of which the first can be read"


def _open_first(images: Iterator[ImageRef], where: str) -> None:
    """Opens the first few that would be sent as bytes.

    Raises:
      ConfigurationError: one of them cannot be read.
    """
    for image in islice(filter(_is_sent_as_bytes, islice(images, _LINES)), _FIRST):
        path = local_path(image.uri)
        try:
            with FileSystems.open(path) as file:
                file.read(1)
        except Exception as error:  # every file system of Beam has exceptions of its own
            why = f"its image {path!r} cannot be read ({type(error).__name__})"
            fix = f"check path and rights; paths count from {os.getcwd()}"
            raise ConfigurationError(where, why, fix) from None


def _is_sent_as_bytes(image: ImageRef) -> bool:
    """What names no image is a dead letter of its own: `plan` tells of it."""
    try:
        return not is_sent_as_url(image)
    except PayloadFault:
        return False


def _output(flags: ImageAnalysisOptions, options: PipelineOptions) -> Iterator[Finding]:
    folder = ""

    def write() -> str:
        nonlocal folder
        named = output_folder(flags.output, options=options)
        with can_be_used(named):
            _write_probe(named)
        folder = named
        return f"{named}: can be written"

    yield looked_at("output", write)
    if folder:
        yield _owner(folder, flags.take_over)


def _write_probe(folder: str) -> None:
    """Leaves nothing: of a local folder that is not there, what is above it is tried."""
    if scheme_of(folder) is None:
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder) or "."
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
        return
    path = storage.join(folder, f".{uuid4().hex}.probe")
    storage.write_whole(path, b"probe")
    remove_many([path])


def _owner(folder: str, take_over: str) -> Finding:
    def owner() -> str:
        layout = Layout(folder)
        past = look(layout)
        for run in past.undecided:
            if run != take_over and is_alive(layout, run, past.owner):
                fix = f"wait for its end, or add --take_over {run} if you know that it is dead"
                raise ConfigurationError(f"output {folder!r}", f"run {run} owns it and is alive", fix)
        return f"nobody else writes there; committed: {counted(len(past.committed), 'run')}"

    return looked_at("owner", owner)
