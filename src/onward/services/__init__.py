"""Services that are started on this machine: Airflow, MLflow, Evidently, the pages."""
