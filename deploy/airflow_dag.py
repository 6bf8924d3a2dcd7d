"""An Airflow 3 DAG (Cloud Composer) that makes the corpus anew every week: crawl, prepare, mine, publish.

Needs apache-airflow-providers-google. Set the three Airflow variables. A task that failed may be cleared and runs again:
finished checkpoints are used as they are.
"""

from datetime import datetime, timedelta

from airflow.providers.google.cloud.operators.dataflow import DataflowStartFlexTemplateOperator
from airflow.sdk import DAG, Variable

PROJECT = Variable.get("isogloss_project")
REGION = Variable.get("isogloss_region")
BUCKET = Variable.get("isogloss_bucket")

# Crawling waits for other people's servers; mining reads blocks of vectors, and asks for GPUs by itself.
MACHINES = {
    "crawl": ("e2-standard-2", 4),
    "prepare": ("n2-standard-4", 40),
    "mine": ("n2-highmem-4", 40),
    "publish": ("n2-standard-4", 8),
}


def launch(run: str) -> dict:
    """Give the launch request of a run."""
    machine, most = MACHINES[run]
    return {
        "launchParameter": {
            "jobName": f"isogloss-{run}-{{{{ ts_nodash | lower }}}}",
            "containerSpecGcsPath": f"gs://{BUCKET}/templates/isogloss.json",
            "parameters": {"run": run, "configuration": f"gs://{BUCKET}/corpus.toml"},
            "environment": {
                "tempLocation": f"gs://{BUCKET}/temp",
                "stagingLocation": f"gs://{BUCKET}/staging",
                "machineType": machine,
                "numWorkers": 1,
                "maxWorkers": most,
                "serviceAccountEmail": f"isogloss@{PROJECT}.iam.gserviceaccount.com",
            },
        }
    }


with DAG(
    dag_id="isogloss",
    schedule="0 3 * * 6",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # two launches at once would write the same checkpoints
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
) as dag:
    before = None
    for name in MACHINES:
        task = DataflowStartFlexTemplateOperator(
            task_id=name,
            project_id=PROJECT,
            location=REGION,
            body=launch(name),
            wait_until_finished=True,
        )
        if before is not None:
            before >> task
        before = task
