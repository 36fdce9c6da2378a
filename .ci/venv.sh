# Sourced by run_local.sh and run_tests.sh: puts a .venv with the package and the extras named as arguments on the PATH.
# It is set up again only when setup.py or the extras have changed.
extras=$(IFS=,; echo "$*")
wanted="$extras $(cksum <setup.py)"
if [[ ! -f .venv/installed ]] || ! grep -qxF "$wanted" .venv/installed; then
  echo "setting up .venv (once, a minute or two) …"
  [[ -x .venv/bin/python ]] || python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
  echo "$wanted" >>.venv/installed
fi
export PATH="$PWD/.venv/bin:$PATH"
