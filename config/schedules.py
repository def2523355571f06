"""Work out when a schedule of the settings is due."""

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from schemas.errors import RequestError


def next_time(setting: str, cron: str, zone: str, now: datetime | None = None) -> datetime:
    """Return when a schedule is due next, in its time zone; empty: the machine's own.

    Raises:
        RequestError: ``cron``, the value of ``setting``, cannot be read.
    """
    moment = now or (datetime.now(ZoneInfo(zone)) if zone else datetime.now().astimezone())
    try:
        return next(CronSim(cron, moment))
    except (CronSimError, StopIteration) as error:
        why = str(error).lower() or "there is no such day"  # such as `bad minute`
        fix = 'Write minute, hour, day, month and weekday as in crontab(5): "0 3 * * *" is 03:00 every night.'
        raise RequestError(what=f"The setting {setting} = {cron!r} is not a time of crontab: {why}", fix=fix) from error
