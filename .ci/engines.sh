#!/usr/bin/env bash
# Fetches the parts of the engines that the tests in tests/engines run on, and axe for those of the report, into
# .venv/engines. Best effort: what cannot be had is named, and its tests skip. Needs Go for Prism, Maven for Flink's job
# server, npm for Azurite and axe.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
engines="$PWD/.venv/engines"
beam=$(.venv/bin/python -c 'import apache_beam; print(apache_beam.__version__)')
mkdir -p "$engines"

prism() {
  [[ -x $engines/prism ]] && return
  GOBIN=$engines go install "github.com/apache/beam/sdks/v2/go/cmd/prism@v$beam"
}

flink() {
  [[ -f $engines/flink-job-server.jar ]] && return
  local jar=beam-runners-flink-1.20-job-server
  mvn --quiet --batch-mode dependency:copy "-Dartifact=org.apache.beam:$jar:$beam" "-DoutputDirectory=$engines" &&
    mv "$engines/$jar-$beam.jar" "$engines/flink-job-server.jar"
}

azurite() {
  [[ -x $engines/azurite/node_modules/.bin/azurite-blob ]] && return
  npm install --silent --no-audit --no-fund --prefix "$engines/azurite" azurite@3.35.0
}

axe() {
  [[ -f $engines/axe/node_modules/axe-core/axe.min.js ]] && return
  npm install --silent --no-audit --no-fund --prefix "$engines/axe" axe-core@4.14.1
}

# Pillow's own test images, among them broken and hostile ones: they are in its source package alone.
pillow() {
  [[ -d $engines/pillow ]] && return
  local version sources
  version=$(.venv/bin/python -c 'import PIL; print(PIL.__version__)')
  sources=$(mktemp -d)
  .venv/bin/python -m pip download --quiet --no-deps --no-binary pillow --dest "$sources" "pillow==$version" &&
    tar -xzf "$sources"/pillow-*.tar.gz -C "$sources" && mv "$sources"/pillow-*/Tests/images "$engines/pillow"
  local end=$?
  rm -rf "$sources"
  return "$end"
}

# Without a name, what the tests of .ci/run need.
for part in ${*:-prism flink azurite axe}; do
  { "$part" >"$engines/$part.log" 2>&1 || echo "$part cannot be had here (see .venv/engines/$part.log): its tests skip" >&2; } &
done
wait
