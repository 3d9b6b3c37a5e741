"""Which days a run reads again: today and yesterday each time, a week once a day, a month once a week."""

from dataclasses import dataclass
from datetime import date, timedelta

DAY_MS, WEEK_MS = 86_400_000, 7 * 86_400_000
MAX_DAYS = 395  # after a long absence; the platform keeps no more than 37 months by day, and hours no longer


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """When a report was read last, a week of it, and a month of it (Unix ms). Saved as the cursor."""

    read_ms: int
    daily_ms: int
    weekly_ms: int


@dataclass(frozen=True, slots=True)
class Lookback:
    """Days before today that are read again: in every run, once a day, once a week."""

    every_run: int
    daily: int
    weekly: int

    def since(self, today: date, now_ms: int, last: ReadTimes | None, last_day: date | None) -> date:
        """First local day of this run. `last_day`: the local day of the last complete read.

        The first run reads the days of a daily one, so that baselines exist. Days since the last complete read are
        always read: an absence leaves no gap.
        """
        if last is None or last_day is None:
            return today - timedelta(days=self.daily)
        days = self.every_run
        if now_ms - last.daily_ms >= DAY_MS:
            days = max(days, self.daily)
        if now_ms - last.weekly_ms >= WEEK_MS:
            days = max(days, self.weekly)
        days = max(days, (today - last_day).days + self.every_run)
        return today - timedelta(days=min(days, MAX_DAYS))

    def times(self, since: date, today: date, read_ms: int, last: ReadTimes | None) -> ReadTimes:
        """The cursor after a complete read of these days."""
        if last is None:
            return ReadTimes(read_ms, read_ms, read_ms)
        days = (today - since).days
        return ReadTimes(
            read_ms,
            read_ms if days >= self.daily else last.daily_ms,
            read_ms if days >= self.weekly else last.weekly_ms,
        )
