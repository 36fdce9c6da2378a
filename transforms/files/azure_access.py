"""Whether `azfs://` can be reached from here at all: said before anything is spent."""

from __future__ import annotations

import os
import re

from apache_beam.options.pipeline_options import AzureOptions, PipelineOptions

_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_PATH = re.compile(r"azfs://[a-z0-9]{3,24}/[a-z0-9-]{3,63}/.+")


def azure_obstacle(path: str, options: PipelineOptions) -> tuple[str, str] | None:
    """What stands against the use of a path or pattern: the rule, and the fix; None where nothing is seen to."""
    if not _PATH.fullmatch(path):
        return "it names no blob of a storage account", "write azfs://ACCOUNT/CONTAINER/PATH"
    given = options.view_as(AzureOptions)
    if given.azure_connection_string or given.blob_service_endpoint or os.environ.get(_CONNECTION):
        return None
    account = path.removeprefix("azfs://").partition("/")[0]
    return (
        "no connection to the storage account is given",
        f"set --blob_service_endpoint https://{account}.blob.core.windows.net, or export {_CONNECTION}",
    )
