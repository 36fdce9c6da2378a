"""Prints the tables, or with `--write` puts tables and plots into `docs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .plots import write_plots
from .tables import STEADY, TABLES, markdown, steady_row, write_tables

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only 200 processes at one limit: a few seconds")
    parser.add_argument("--write", action="store_true", help="write docs/scaling.md and docs/plots/*.svg")
    flags = parser.parse_args()
    if flags.quick:
        print(markdown(STEADY, [steady_row(200)]))
    elif flags.write:
        write_tables(DOCS / "scaling.md", TABLES)
        write_plots(DOCS / "plots")
    else:
        for name, table in TABLES.items():
            print(f"{name}\n\n{table()}\n")


if __name__ == "__main__":
    main()
