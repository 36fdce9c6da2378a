#!/usr/bin/env bash
# Runs the job on this machine: makes .venv, installs, and analyzes.
# Arguments go to `image-analysis-beam run`. Without VISION_ENDPOINT an emulator stands in for the service, and without
# arguments the sample photographs are analyzed into out/, with it into out-yours/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./.ci/venv.sh emulator emulator-ocr

start_emulator() {
  local reads_text=()
  python -c 'import rapidocr' 2>/dev/null && reads_text=(--ocr)
  emulator_output=$(mktemp)
  VISION_KEY=${VISION_KEY:-emulator-key}
  export VISION_KEY
  image-analysis-beam emulator --port 0 --key "$VISION_KEY" --model products "${reads_text[@]}" >"$emulator_output" &
  emulator=$!
  trap 'kill "$emulator" 2>/dev/null || true; wait "$emulator" 2>/dev/null || true; rm -f "$emulator_output"' EXIT
  until grep -q 'http://' "$emulator_output"; do
    kill -0 "$emulator" 2>/dev/null || { echo "the emulator did not start" >&2; exit 1; }
    read -r -t 0.1 <> <(:) || true
  done
  VISION_ENDPOINT=$(grep -o 'http://[^ ]*' "$emulator_output" | head -n 1)
  export VISION_ENDPOINT
}

analyze_photographs() {
  local said query out=out-yours
  if [[ -n ${emulator:-} ]]; then out=out; fi # apart: what the emulator has answered, the service would not be asked
  said=$(image-analysis-beam run --images examples/photos --output "$out" \
    --features caption,denseCaptions,tags,objects,people,smartCrops,read)
  query="sql $out \"select image_uri, text from read_lines\""
  grep -E '^nothing new|^[0-9]+ images?[ :]' <<<"$said" | head -n 1
  if [[ -n ${emulator:-} ]]; then echo "captions, tags, objects and people are the emulator's, made from the pixels; text is really read"; fi
  grep '^report: ' <<<"$said"
  echo "query:  .venv/bin/image-analysis-beam $query"
  echo "yours:  VISION_ENDPOINT=https://NAME.cognitiveservices.azure.com VISION_KEY=… ./run_local.sh" \
    "--images FOLDER --output out-yours --features caption,tags,read"
}

if [[ -z "${VISION_ENDPOINT:-}" ]]; then
  echo "no VISION_ENDPOINT: an emulator on this machine stands in for the service"
  start_emulator
fi
if [[ $# -gt 0 ]]; then
  image-analysis-beam run "$@"
else
  analyze_photographs
fi
