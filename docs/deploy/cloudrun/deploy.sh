#!/usr/bin/env bash
# Sets up a worker on Cloud Run: a bucket, two service accounts with no more than they need, a signing key, the service.
# Usage: PROJECT=… REGION=… BUCKET=… IMAGE=… deploy.sh. Running it again changes nothing but the service.
set -euo pipefail
cd "$(dirname "$0")"
: "${PROJECT:?the project}" "${REGION:?the region}" "${BUCKET:?the name of a bucket}" "${IMAGE:?the image of the worker}"

worker=helios-pipe-worker@$PROJECT.iam.gserviceaccount.com
caller=helios-pipe-caller@$PROJECT.iam.gserviceaccount.com
secret=helios-pipe-signing-key
export CLOUDSDK_CORE_PROJECT=$PROJECT

gcloud storage buckets describe "gs://$BUCKET" >/dev/null 2>&1 ||
    gcloud storage buckets create "gs://$BUCKET" --location="$REGION" --uniform-bucket-level-access --public-access-prevention
gcloud storage buckets update "gs://$BUCKET" --lifecycle-file=lifecycle.json

for account in worker caller; do
    gcloud iam service-accounts describe "helios-pipe-$account@$PROJECT.iam.gserviceaccount.com" >/dev/null 2>&1 ||
        gcloud iam service-accounts create "helios-pipe-$account"
done

if ! gcloud secrets describe "$secret" >/dev/null 2>&1; then
    openssl rand -hex 32 | tr -d '\n' | gcloud secrets create "$secret" --data-file=-
fi

# The worker reads what is there and adds to it; it can neither replace nor delete.
for role in roles/storage.objectViewer roles/storage.objectCreator; do
    gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member="serviceAccount:$worker" --role="$role" >/dev/null
done
gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member="serviceAccount:$caller" \
    --role=roles/storage.objectUser >/dev/null
for account in "$worker" "$caller"; do
    gcloud secrets add-iam-policy-binding "$secret" --member="serviceAccount:$account" \
        --role=roles/secretmanager.secretAccessor >/dev/null
done

# The audience is a name that both sides know; the service's own URL is only known once it is there.
audience=https://helios-pipe-worker.$PROJECT
filled=$(sed -e "s|WORKER_ACCOUNT|$worker|" -e "s|CALLER_ACCOUNT|$caller|" -e "s|value: AUDIENCE|value: $audience|" \
    -e "s|gs://BUCKET/|gs://$BUCKET/|" -e "s|image: IMAGE|image: $IMAGE|" service.yaml)
gcloud run services replace - --region="$REGION" <<<"$filled"
gcloud run services update helios-pipe-worker --region="$REGION" --add-custom-audiences="$audience"
gcloud run services add-iam-policy-binding helios-pipe-worker --region="$REGION" \
    --member="serviceAccount:$caller" --role=roles/run.invoker >/dev/null

url=$(gcloud run services describe helios-pipe-worker --region="$REGION" --format='value(status.url)')
cat <<MANIFEST
adapters:
  run:
    type: cloudrun
    url: $url
    audience: $audience
    storage: gs://$BUCKET/renders
    concurrency: 100
MANIFEST
