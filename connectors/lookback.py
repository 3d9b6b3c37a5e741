"""Which days a run reads again: today and yesterday each time, a week once a day, a month once a month."""

from dataclasses import dataclass
from datetime import date, timedelta

from schemas.raw import Report

DAY_MS, MONTH_MS = 86_400_000, 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Lookback:
    """Days before today; see SPEC'd defaults in the settings of each source."""

    every_run: int
    daily: int
    monthly: int

    def since(self, report: Report, today: date, now_ms: int, *, daily_ms: int | None, monthly_ms: int | None) -> date:
        """First local day of this run. `daily_ms`, `monthly_ms`: when the longer reads were last done, None: never.

        The first run of all reads the week, so that baselines exist; hours are otherwise read for the shortest span.
        """
        if daily_ms is None:
            return today - timedelta(days=self.daily)
        if report is Report.CAMPAIGN_HOUR:
            return today - timedelta(days=self.every_run)
        if monthly_ms is None or now_ms - monthly_ms >= MONTH_MS:
            return today - timedelta(days=self.monthly)
        if now_ms - daily_ms >= DAY_MS:
            return today - timedelta(days=self.daily)
        return today - timedelta(days=self.every_run)
