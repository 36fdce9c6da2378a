#!/usr/bin/env bash
# Runs the job on this machine: makes .venv, installs, and analyzes.
# Arguments go to `image-analysis-beam run`. Without VISION_ENDPOINT an emulator stands in for the service, and without
# arguments the sample photographs are analyzed into out/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./.ci/venv.sh emulator

if [[ -z "${VISION_ENDPOINT:-}" ]]; then
  emulator_output=$(mktemp)
  VISION_KEY=${VISION_KEY:-emulator-key}
  export VISION_KEY
  image-analysis-beam emulator --port 0 --key "$VISION_KEY" --model products >"$emulator_output" &
  emulator=$!
  trap 'kill "$emulator" 2>/dev/null || true; wait "$emulator" 2>/dev/null || true; rm -f "$emulator_output"' EXIT
  until grep -q 'http://' "$emulator_output"; do
    kill -0 "$emulator" 2>/dev/null || { echo "the emulator did not start" >&2; exit 1; }
    read -r -t 0.1 <> <(:) || true
  done
  VISION_ENDPOINT=$(grep -o 'http://[^ ]*' "$emulator_output" | head -n 1)
  export VISION_ENDPOINT
  echo "no VISION_ENDPOINT: an emulator on this machine stands in for the service"
fi

if [[ $# -gt 0 ]]; then
  image-analysis-beam run "$@"
else
  image-analysis-beam run --images 'examples/photos/*.jpg' --images 'examples/photos/*.png' --output out \
    --features caption,denseCaptions,tags,objects,people,smartCrops,read
  image-analysis-beam show out
fi
