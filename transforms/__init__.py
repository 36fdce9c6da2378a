"""Beam transforms: from image URIs to calls, answers, tables and accounts. One public `PTransform` per module."""

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
from .ledger.plan import RedrivePolicy
from .ledger.records import TakenOver
from .ledger.start import Owned, Started, start_run
from .plan_work import PlanWork
from .read_image_uris import ReadImageUris
from .records_to_tables import RecordsToTables
from .write_run import WriteRun
from .write_tables import WriteTables

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
