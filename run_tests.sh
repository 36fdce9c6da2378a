#!/usr/bin/env bash
# Runs the tests on this machine: makes .venv, installs, pytest. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./.ci/venv.sh test
exec python -m pytest -n 3 --dist worksteal "$@"
