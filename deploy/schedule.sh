#!/usr/bin/env bash
# Starts the job every night by Cloud Scheduler. Only new images are called: runs of one output folder know of each other.
#   PROJECT=… REGION=… SCHEDULER_ACCOUNT=… SCHEDULE='0 2 * * *' deploy/schedule.sh request.json
# request.json is the body of projects.locations.flexTemplates.launch; deploy/request.json is one to copy.
set -euo pipefail
: "${PROJECT:?the Google Cloud project}" "${REGION:?for example europe-west4}"
: "${SCHEDULER_ACCOUNT:?an account that may launch templates and act as the workers, see docs/dataflow.md}"
request=${1:?a JSON file with the body of the launch request}

gcloud scheduler jobs create http image-analysis --project "$PROJECT" --location "$REGION" \
  --schedule "${SCHEDULE:-0 2 * * *}" --time-zone Etc/UTC --http-method POST \
  --uri "https://dataflow.googleapis.com/v1b3/projects/$PROJECT/locations/$REGION/flexTemplates:launch" \
  --oauth-service-account-email "$SCHEDULER_ACCOUNT" --headers Content-Type=application/json \
  --message-body-from-file "$request"
