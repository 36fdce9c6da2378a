#!/usr/bin/env bash
# Starts one job from the flex template; the arguments are template parameters, NAME=VALUE each.
#   PROJECT=… REGION=… BUCKET=gs://… SERVICE_ACCOUNT=image-analysis@PROJECT.iam.gserviceaccount.com deploy/launch.sh \
#     input=gs://my-bucket/uris.txt output=gs://my-bucket/tables features=caption,tags \
#     endpoint=https://NAME.cognitiveservices.azure.com requests_per_second=100 \
#     key_secret=projects/PROJECT/secrets/vision-key/versions/latest
# The key itself is never a parameter: parameters are shown to everybody who may see the job.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PROJECT:?the Google Cloud project}" "${REGION:?for example europe-west4}" "${BUCKET:?gs://… of the template}"
: "${SERVICE_ACCOUNT:?the account that the workers run as, see docs/dataflow.md}"
[[ $# -gt 0 ]] || { sed -n '2,7p' "${BASH_SOURCE[0]}" >&2; exit 2; }
version=$(sed -n 's/^ *version="\(.*\)",$/\1/p' setup.py)
workers=${MAX_WORKERS:-2} machine=${MACHINE_TYPE:-n1-standard-2}
processes=$((workers * ${machine##*-})) # one for each vCPU: they share the rate
parameters=$(IFS='~'; echo "$*~worker_processes=$processes")

gcloud dataflow flex-template run "image-analysis-$(date -u +%Y%m%d-%H%M%S)" --project "$PROJECT" --region "$REGION" \
  --template-file-gcs-location "$BUCKET/templates/image-analysis-$version.json" \
  --service-account-email "$SERVICE_ACCOUNT" --staging-location "$BUCKET/staging" --temp-location "$BUCKET/temp" \
  --max-workers "$workers" --worker-machine-type "$machine" \
  --disable-public-ips --parameters "^~^$parameters"
