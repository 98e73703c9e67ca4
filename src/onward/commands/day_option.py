"""An option that is a day: written like 2017-11-20, and one that a shop's log can hold."""

from datetime import datetime
from typing import Any

import typer


def day_option(*names: str, **shown: Any) -> Any:
    """An option that takes a day of a shop's log.

    Args:
        names: where it is called otherwise than its parameter.
        shown: what `typer.Option` takes besides, such as `help`.
    """
    return typer.Option(*names, formats=["%Y-%m-%d"], callback=_require_day_of_log, **shown)


def _require_day_of_log(day: datetime | None) -> datetime | None:
    """Return the day, before anything is counted from it: windows around it must not leave the calendar."""
    from onward.errors import SettingsError
    from onward.params import FIRST_DAY, LAST_DAY

    if day is not None and not FIRST_DAY <= day.date() <= LAST_DAY:
        raise SettingsError(
            f"{day.date()} is no day of a shop's log; name one between {FIRST_DAY} and {LAST_DAY}, such as 2017-11-20"
        )
    return day
