"""The HTML report of an output folder: one file that needs no network, for the screen, the phone and paper."""

from .command import REPORT, main, report_line, write_report

__all__ = ["REPORT", "main", "report_line", "write_report"]
