"""`image-analysis-beam report OUT`: writes `report.html` into the output folder."""

from __future__ import annotations

from datetime import datetime, timezone

from ...transforms.files import storage
from ...transforms.prices import Prices, read_prices
from ..arguments import Parser
from ..failures import fix_of, storage_failure
from ..manifests import as_it_was_written
from ..paths import output_folder
from ..sql import told
from ..terminal import out
from ..views.database import Folder
from .data import page_data
from .page import render
from .reading import read

REPORT = "report.html"


def main(argv: list[str]) -> int:
    """Writes the report and says where; returns the exit code.

    Raises:
      ConfigurationError: there is no such run, or the prices cannot be read.
    """
    parser = Parser(prog="image-analysis-beam report", description="Writes report.html into the output folder.")
    parser.add_argument("output", help="the output folder of the job")
    parser.add_argument("--run", help="the run to report; the latest one if it is left out")
    parser.add_argument("--all", action="store_true", help="also the history: open failures over time, cost by month")
    parser.add_argument("--prices", help="JSON file with prices per 1 000 transactions, by feature")
    given = parser.parse_args(argv)
    out(write_report(given.output, given.run, read_prices(given.prices), given.all))
    return 0


def write_report(output: str, run_id: str | None = None, prices: Prices | None = None, all_runs: bool = False) -> str:
    """Writes the report of a committed run, the latest one if none is named; returns its path.

    A later run that ended meanwhile may have written its own before: the one that stays is that of the latest.

    `prices`: instead of those of each run. `all_runs`: with the history of the folder.

    Raises:
      ConfigurationError: there is no such run, or it is damaged.
    """
    path = storage.join(output_folder(output), REPORT)
    while True:
        folder = Folder(output, run_id, prices)
        with told("report", folder), as_it_was_written(folder.layout.output), read(folder) as reading:
            html = render(*page_data(reading, datetime.now(timezone.utc), all_runs))
        storage.write_whole(path, html.encode())
        if run_id is not None or folder.is_as_it_was():
            return path


def report_line(output: str) -> str:
    """Writes the report after a run; returns what to print.

    The tables are committed by then: a report that cannot be made is told, and the run is as good as it was.
    """
    try:
        return f"report: {write_report(output)}"
    except Exception as error:
        what = storage_failure(error)
        why = f"{what}; {fix_of(what)}" if what else f"{type(error).__name__}: {error}"
        return f"report: it could not be made: {why}; the tables of the run are there"
