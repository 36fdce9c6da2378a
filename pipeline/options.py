"""Every flag of the job, as Beam `PipelineOptions`: the names are flags here and template parameters on Dataflow."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from ..transforms.analyze_images import BATCH_SIZE
from ..transforms.endpoint.client import Timeouts
from ..transforms.endpoint.limits import LEAST_SAMPLE
from ..transforms.endpoint.request import DEFAULT_FEATURES_VERSION, DEFAULT_MODEL_VERSION, FEATURES
from ..transforms.endpoint.settings import CallSettings
from ..transforms.ledger.redrive import REDRIVES, RETRYABLE
from ..transforms.lists.columns import DEFAULT_COLUMN

AUTH = ("key", "entra", "token")
THIS_MACHINE, OTHER_COMMANDS = "On this machine", "Of the other commands"
_OF_OTHERS = {
    "json": ("plan", "doctor"),
    "call": ("doctor",),
    "stored": ("reflatten",),
}  # the flags that `run` does not read, and who does
_READS = {"reflatten": ("stored", "output")}  # the commands that do not read what `run` reads
_SETTINGS, _TIMEOUTS = CallSettings(), Timeouts()


class ImageAnalysisOptions(PipelineOptions):
    """The flags of this job; see `docs/flags.md`, which is generated from here."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        _add_input(parser.add_argument_group("What to analyze, and where to"))
        _add_request(parser.add_argument_group("What to ask of every image"))
        _add_endpoint(parser.add_argument_group("The endpoint, and who we are"))
        _add_work(parser.add_argument_group("Which images are called"))
        _add_calls(parser.add_argument_group("How calls are made"))
        _add_local(parser.add_argument_group(THIS_MACHINE))
        _add_others(parser.add_argument_group(OTHER_COMMANDS))


def flag_groups() -> Iterator[tuple[str, list[argparse.Action]]]:
    """The titles of the groups of flags with their flags, in the order of the help."""
    parser = argparse.ArgumentParser(add_help=False)
    ImageAnalysisOptions._add_argparse_args(parser)
    for group in parser._action_groups:
        if group._group_actions:
            yield str(group.title), group._group_actions


def reads(command: str, flag: str) -> bool:
    """Whether a command of this job reads a flag; Beam's are read by all of them."""
    return flag in _READS[command] if command in _READS else command in _OF_OTHERS.get(flag, (command,))


def readers(flag: str) -> tuple[str, ...]:
    """The commands that read a flag."""
    return _OF_OTHERS.get(flag, ("run", "plan", "doctor"))


def full_help(flag: argparse.Action) -> str:
    """The help of a flag with its default, where it has one that is not told."""
    is_told = flag.default in (None, "", [], False) or "default" in str(flag.help)
    return str(flag.help) if is_told else f"{flag.help}; default: {flag.default}"


def _add_input(group: Any) -> None:
    group.add_argument(
        "--input",
        action="append",
        default=[],
        help="pattern of lists of image URIs: .txt, .csv, .jsonl (each also .gz), .parquet, or - for a text list on "
        "standard input; may be given more than once",
    )
    group.add_argument(
        "--images",
        action="append",
        default=[],
        help="pattern of image files, or a folder of them; may be given more than once",
    )
    group.add_argument(
        "--uri_column", default=DEFAULT_COLUMN, help="column of the URI in .csv, .jsonl and .parquet lists"
    )
    group.add_argument(
        "--output", help="folder of the tables, manifests and journal; runs of one folder know of each other"
    )


def _add_request(group: Any) -> None:
    group.add_argument("--features", default="", help=f"comma-separated, of: {', '.join(FEATURES)}")
    group.add_argument("--model_name", default="", help="a custom model, instead of features")
    group.add_argument("--language", default="en", help="language of tags")
    group.add_argument(
        "--gender_neutral_caption", action="store_true", help="'person' for 'man' and 'woman' in captions"
    )
    group.add_argument(
        "--smartcrops_aspect_ratios",
        default="",
        help="comma-separated width / height of smart crops, 0.75 to 1.8",
    )
    group.add_argument(
        "--api_version",
        default="",
        help=f"default {DEFAULT_FEATURES_VERSION}, with a custom model {DEFAULT_MODEL_VERSION}",
    )
    group.add_argument("--model_version", default="latest", help="version of the service's model")
    group.add_argument(
        "--fit",
        type=int,
        metavar="PIXELS",
        help="send images of files and buckets with sides of at most so many pixels, in a format and of a size that "
        "the service takes; boxes stay those of the image itself. 16000 touches only what would be refused. Images on "
        "the web are fetched by the service, as they are",
    )


def _add_endpoint(group: Any) -> None:
    group.add_argument(
        "--endpoint",
        help="URL of the Azure AI Vision resource, or a .yaml file of several; default: the environment variable "
        "VISION_ENDPOINT",
    )
    group.add_argument(
        "--auth",
        choices=AUTH,
        default="key",
        help="key: one from VISION_KEY or --key_secret; entra: a Microsoft Entra token; token: one issued for the key",
    )
    group.add_argument("--key_secret", help="resource name of the key in Google Secret Manager, read on the workers")
    group.add_argument("--token_issuer", help="with --auth token: URL that issues tokens; default: the endpoint")
    group.add_argument(
        "--allow_insecure_endpoint",
        action="store_true",
        help="allow plain http to another machine than this one",
    )


def _add_work(group: Any) -> None:
    group.add_argument(
        "--redrive",
        default=RETRYABLE,
        metavar="|".join(REDRIVES),
        help="which dead letters of earlier runs are called again; also some of their classes, comma-separated. "
        "`changed` (alone, or with others: changed,failed) looks at answered images too, and asks anew where they are "
        "not the same any more; `everything` asks anew, also what is answered",
    )
    group.add_argument("--max_redrives", type=int, default=3, help="how often one image is called again over all runs")
    group.add_argument("--max_calls", type=int, help="call at most this many images in this run; the rest is deferred")
    group.add_argument(
        "--max_cost",
        type=float,
        help="spend at most this amount in this run, by --prices; the rest is deferred. A call without an answer "
        "may have been billed: it is not made again then (as with --ambiguous_retries 0)",
    )
    group.add_argument(
        "--max_time",
        help="make no call after so long in this run: 8h, 90m, 3600 (seconds), 2d; the rest is deferred",
    )
    group.add_argument(
        "--max_dead_letters",
        metavar="N|P%",
        help="make no call once there are more dead letters in this run than N, or than P per cent of the images that "
        f"are settled so far ({LEAST_SAMPLE} at least); the rest is deferred",
    )
    group.add_argument(
        "--prices",
        help="JSON file of your prices per 1 000 transactions, by feature; for plan, manifest and report",
    )
    group.add_argument(
        "--take_over",
        default="",
        help="id of the run that owns the output, if you know that it is dead although it seems to live",
    )


def _add_calls(group: Any) -> None:
    group.add_argument("--requests_per_second", type=float, help="rate of the whole job; default: found by trying")
    group.add_argument(
        "--worker_processes",
        type=int,
        help="the most processes there may be, where the runner does not tell: at first they share the rate by it",
    )
    group.add_argument("--max_in_flight", type=int, default=_SETTINGS.max_in_flight, help="calls at once, per process")
    group.add_argument(
        "--max_bytes_in_flight",
        type=int,
        default=_SETTINGS.max_bytes_in_flight,
        help="image bytes held at once, per process",
    )
    group.add_argument("--batch_size", type=int, default=BATCH_SIZE, help="images that travel together to a worker")
    group.add_argument(
        "--call_deadline",
        type=float,
        default=_SETTINGS.call_deadline,
        help="seconds for one image over all its attempts",
    )
    group.add_argument(
        "--max_wait",
        type=float,
        default=_SETTINGS.max_wait,
        help="longest pause in seconds that the service may ask for; more is a spent quota",
    )
    group.add_argument(
        "--max_attempts",
        type=int,
        default=_SETTINGS.max_attempts,
        help="attempts of one image against errors of the service",
    )
    group.add_argument(
        "--ambiguous_retries",
        type=int,
        default=_SETTINGS.ambiguous_retries,
        help="further attempts after one that may have been billed",
    )
    group.add_argument(
        "--outage_patience",
        type=float,
        default=_SETTINGS.outage_patience,
        help="seconds after which an outage ends the run",
    )
    group.add_argument(
        "--connect_timeout", type=float, default=_TIMEOUTS.connect, help="seconds to connect, also through a proxy"
    )
    group.add_argument("--read_timeout", type=float, default=_TIMEOUTS.read, help="seconds without a byte, to or fro")
    group.add_argument(
        "--request_timeout",
        type=float,
        default=_TIMEOUTS.total,
        help="seconds from the end of the request to the end of the reply",
    )


def _add_local(group: Any) -> None:
    group.add_argument("--quiet", action="store_true", help="no progress while the run is made")


def _add_others(group: Any) -> None:
    group.add_argument("--json", action="store_true", help="plan, doctor: print JSON instead of text")
    group.add_argument("--call", action="store_true", help="doctor: spend one call for each feature")
    group.add_argument("--stored", help="reflatten: the folder whose answers are flattened again")
