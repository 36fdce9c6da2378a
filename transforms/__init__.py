"""Beam transforms: from image URIs to calls, answers, tables and accounts. One public `PTransform` per module.

They are imported when they are first used: a command that only reads tables does not wait for Beam.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .account_run import AccountingError, AccountRun, count_record
    from .analyze_images import AnalyzeImages, UnhandledFailure
    from .endpoint.credentials import Credential, EntraToken, EnvironmentKey, IssuedToken, SecretManagerKey
    from .endpoint.errors import ConfigurationError
    from .endpoint.request import AnalyzeRequest
    from .endpoint.resource import Resource
    from .endpoint.settings import CallSettings
    from .endpoint.uri import ImageRef
    from .flatten_sections import FlattenSections
    from .ledger.layout import new_run_id
    from .ledger.records import TakenOver
    from .ledger.redrive import RedrivePolicy
    from .ledger.start import Owned, Started, start_run
    from .plan_work import PlanWork
    from .read_image_uris import ReadImageUris
    from .records_to_tables import RecordsToTables
    from .write_run import WriteRun
    from .write_tables import WriteTables

_MODULES = {
    "AccountRun": "account_run",
    "AccountingError": "account_run",
    "AnalyzeImages": "analyze_images",
    "AnalyzeRequest": "endpoint.request",
    "CallSettings": "endpoint.settings",
    "ConfigurationError": "endpoint.errors",
    "Credential": "endpoint.credentials",
    "EntraToken": "endpoint.credentials",
    "EnvironmentKey": "endpoint.credentials",
    "FlattenSections": "flatten_sections",
    "ImageRef": "endpoint.uri",
    "IssuedToken": "endpoint.credentials",
    "Owned": "ledger.start",
    "PlanWork": "plan_work",
    "ReadImageUris": "read_image_uris",
    "RecordsToTables": "records_to_tables",
    "RedrivePolicy": "ledger.redrive",
    "Resource": "endpoint.resource",
    "SecretManagerKey": "endpoint.credentials",
    "Started": "ledger.start",
    "TakenOver": "ledger.records",
    "UnhandledFailure": "analyze_images",
    "WriteRun": "write_run",
    "WriteTables": "write_tables",
    "count_record": "account_run",
    "new_run_id": "ledger.layout",
    "start_run": "ledger.start",
}

__all__ = [
    "AccountRun",
    "AccountingError",
    "AnalyzeImages",
    "AnalyzeRequest",
    "CallSettings",
    "ConfigurationError",
    "Credential",
    "EntraToken",
    "EnvironmentKey",
    "FlattenSections",
    "ImageRef",
    "IssuedToken",
    "Owned",
    "PlanWork",
    "ReadImageUris",
    "RecordsToTables",
    "RedrivePolicy",
    "Resource",
    "SecretManagerKey",
    "Started",
    "TakenOver",
    "UnhandledFailure",
    "WriteRun",
    "WriteTables",
    "count_record",
    "new_run_id",
    "start_run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
