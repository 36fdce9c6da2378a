# Sourced by run_local.sh and run_tests.sh: puts a .venv with the package and the extras named as arguments on the PATH.
# It is set up again only when setup.py or the extras have changed.
extras=$(IFS=,; echo "$*")
wanted=$(printf "%s $(cksum <setup.py)\n" "$@")
if [[ $(grep -sxF "$wanted" .venv/installed | sort -u | wc -l) -lt $# ]]; then
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "Python 3.11 or newer is needed, and python3 is $(python3 --version); put a newer one first on the PATH" >&2; exit 1; }
  echo "setting up .venv for $extras (once, about a minute) …"
  [[ -x .venv/bin/python ]] || python3 -m venv .venv
  .venv/bin/python -m pip install --disable-pip-version-check --quiet --upgrade pip # it finds packages thrice as fast
  PYTHONWARNINGS=ignore .venv/bin/python -m pip install --progress-bar off --no-compile --editable ".[$extras]" | awk '
    /^Collecting / && ++packages % 10 == 0 { print "  " packages " packages found, now " $2 " …"; fflush() }
    /^Installing collected/ { print "  installing them …"; fflush() }'
  .venv/bin/python -m compileall -qq -j 0 .venv/lib || true # on all cores, where pip would use one
  echo "$wanted" >>.venv/installed
fi
export PATH="$PWD/.venv/bin:$PATH"
