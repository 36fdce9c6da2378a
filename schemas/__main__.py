"""`python -m image_analysis_beam.schemas [repository]`: writes the files that follow from the registry."""

from __future__ import annotations

import sys
from pathlib import Path

from .bigquery import create_statements, load_script
from .documentation import tables_page

GENERATED = {
    "docs/tables.md": tables_page,
    "deploy/bigquery/tables.sql": create_statements,
    "deploy/bigquery/load.sh": load_script,
}


def main(repository: Path) -> None:
    """Writes docs/tables.md and deploy/bigquery below `repository`."""
    for name, text in GENERATED.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
