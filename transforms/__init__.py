"""Beam transforms: from image URIs to calls, answers, tables and accounts. One public `PTransform` per module."""

from .account_run import AccountingError, AccountRun, count_dead_letter, count_deferred
from .analyze_images import AnalyzeImages, UnhandledFailure
from .endpoint.credentials import Credential, EntraToken, EnvironmentKey, IssuedToken, SecretManagerKey
from .endpoint.errors import ConfigurationError
from .endpoint.request import AnalyzeRequest
from .endpoint.settings import CallSettings
from .endpoint.uri import ImageRef
from .flatten_sections import FlattenSections
from .journal_answers import JournalAnswers
from .layout import Layout, new_run_id
from .plan import RedrivePolicy
from .plan_work import PlanWork
from .read_image_uris import ReadImageUris
from .records import RecordsToTables
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
    "JournalAnswers",
    "Layout",
    "PlanWork",
    "ReadImageUris",
    "RecordsToTables",
    "RedrivePolicy",
    "SecretManagerKey",
    "UnhandledFailure",
    "WriteTables",
    "count_dead_letter",
    "count_deferred",
    "new_run_id",
]
