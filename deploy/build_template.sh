#!/usr/bin/env bash
# Builds the image and the flex template. Once for each release.
#   PROJECT=my-project REGION=europe-west4 REPOSITORY=images BUCKET=gs://my-bucket deploy/build_template.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PROJECT:?the Google Cloud project}" "${REGION:?for example europe-west4}"
: "${REPOSITORY:?an Artifact Registry repository of that region}" "${BUCKET:?gs://… for the template}"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' pipeline/package/__init__.py)
image="$REGION-docker.pkg.dev/$PROJECT/$REPOSITORY/image-analysis-beam:$version"

docker build --file deploy/Dockerfile --tag "$image" .
docker push "$image"
gcloud dataflow flex-template build "$BUCKET/templates/image-analysis-$version.json" --project "$PROJECT" \
  --image "$image" --sdk-language PYTHON --metadata-file deploy/metadata.json
echo "template: $BUCKET/templates/image-analysis-$version.json; workers: --sdk_container_image=$image"
