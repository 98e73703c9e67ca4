"""What the DAG files share. Airflow parses them again and again: nothing heavy is imported, and nothing of Onward."""
