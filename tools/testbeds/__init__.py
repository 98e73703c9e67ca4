"""Ground that tests and benchmarks stand on: small shops, servers of their own, Airflow on this machine."""
