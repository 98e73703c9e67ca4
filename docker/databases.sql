-- Read once by PostgreSQL's image, when its volume is new: a role and a database for each service that has data.
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD
\getenv mlflow_password MLFLOW_DATABASE_PASSWORD
\getenv serving_password SERVING_DATABASE_PASSWORD
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE serving LOGIN PASSWORD :'serving_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE mlflow OWNER mlflow;
-- Each is closed to the other's role; answering reads what is in use and changes nothing.
REVOKE ALL ON DATABASE airflow, mlflow FROM PUBLIC;
GRANT CONNECT ON DATABASE mlflow TO serving;
\connect mlflow
GRANT USAGE ON SCHEMA public TO serving;
ALTER DEFAULT PRIVILEGES FOR ROLE mlflow IN SCHEMA public GRANT SELECT ON TABLES TO serving;
