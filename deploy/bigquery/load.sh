#!/usr/bin/env bash
# Written by `python -m image_analysis_beam.schemas`; do not edit.
# Loads one committed run into the tables of tables.sql:  load.sh gs://bucket/out RUN_ID PROJECT:DATASET
# Loading a run again replaces its rows.
set -euo pipefail
if [[ $# -ne 3 ]]; then
  echo "usage: load.sh OUTPUT RUN_ID PROJECT:DATASET" >&2
  exit 2
fi
output=${1%/} run=$2 dataset=$3

if ! gcloud storage ls "$output/runs/$run.json" >/dev/null; then
  echo "run $run is not committed: there is no $output/runs/$run.json" >&2
  exit 1
fi

load() {
  bq query --use_legacy_sql=false --dataset_id="$dataset" --parameter="run::$run" \
    "DELETE FROM \`$1\` WHERE run_id = @run"
  # Without list inference, arrays of existing columns are loaded empty. Columns of a later version are added.
  bq load --source_format=PARQUET --parquet_enable_list_inference=true --schema_update_option=ALLOW_FIELD_ADDITION \
    "$dataset.$1" "$output/$1/run=$run/*.parquet"
}

# A run writes no file of a table that it has no rows of, once the folder has one.
for table in images captions dense_captions tags objects people smart_crops read_pages read_lines read_words read_styles custom_tags custom_objects responses dead_letters deferred inputs; do
  if gcloud storage ls "$output/$table/run=$run/" >/dev/null 2>&1; then load "$table"; fi
done
