#!/usr/bin/env bash
# A Cloud Scheduler job that launches one run of the template every week: PROJECT=p REGION=r BUCKET=b deploy/schedule.sh
# The request's body is schedule.json. The runs that follow a crawl are chained by airflow_dag.py; a schedule of its own
# for each is right only where the earlier run has surely ended. DRY_RUN=1 prints the command and does not run it.
set -euo pipefail
: "${PROJECT:?the Google Cloud project}" "${REGION:?such as europe-west4}" "${BUCKET:?name of the bucket}"
cd "$(dirname "$0")"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
sed -e "s/BUCKET/$BUCKET/g" -e "s/PROJECT/$PROJECT/g" schedule.json >"$body"
command=(
    gcloud scheduler jobs create http isogloss-crawl
    --project="$PROJECT"
    --location="$REGION"
    --schedule="0 3 * * 6"
    --time-zone="Etc/UTC"
    --uri="https://dataflow.googleapis.com/v1b3/projects/$PROJECT/locations/$REGION/flexTemplates:launch"
    --http-method=POST
    --oauth-service-account-email="isogloss@$PROJECT.iam.gserviceaccount.com"
    --headers="Content-Type=application/json"
    --message-body-from-file="$body"
)
printf '%q ' "${command[@]}"
echo
[ -n "${DRY_RUN:-}" ] || "${command[@]}"
