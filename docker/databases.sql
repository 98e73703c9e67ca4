-- Read once by PostgreSQL's image, when its volume is new.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
