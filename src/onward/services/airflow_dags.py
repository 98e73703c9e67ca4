"""Which of Onward's DAGs are paused, asked of Airflow's own database: that answers while no service runs, too."""

from pathlib import Path

from onward.errors import ServiceError

DAGS = ("monitor", "promote", "retrain", "rollback")


def airflow_database(project: Path, named: str | None) -> str | None:
    """The address of Airflow's database: the one that is named, else that of `onward airflow`; None without either."""
    own = project / ".airflow" / "airflow.db"
    return named or (f"sqlite:///{own}?timeout=5" if own.is_file() else None)


def paused_dags(address: str) -> list[str]:
    """Return which DAGs are paused, by name; an event to one of them is lost.

    Args:
        address: of Airflow's database, as SQLAlchemy writes it.

    Raises:
        ServiceError: it does not answer, or holds no DAGs.
    """
    from sqlalchemy import bindparam, create_engine, text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    question = text("SELECT dag_id FROM dag WHERE dag_id IN :dags AND is_paused ORDER BY dag_id")
    try:
        place = make_url(address)
        if place.drivername.startswith("sqlite") and place.database and not Path(place.database).is_file():
            raise ServiceError(f"Airflow: {place.database}: no such database; see AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
        patience = {} if place.drivername.startswith("sqlite") else {"connect_timeout": 10}
        engine = create_engine(address, poolclass=NullPool, connect_args=patience)
        with engine.connect() as session:
            asked = question.bindparams(bindparam("dags", DAGS, expanding=True))
            return [str(name) for name in session.execute(asked).scalars()]
    except SQLAlchemyError as error:
        # Never the address: it may hold the password. Nor the error's own text, which may quote it.
        raise ServiceError(
            f"Airflow: its database does not say which DAGs are paused ({type(error).__name__}); see "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        ) from None
