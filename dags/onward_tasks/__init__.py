"""What the DAG files share.

Airflow parses them again and again: nothing heavy is imported, and of Onward only `onward.choices`.
"""
