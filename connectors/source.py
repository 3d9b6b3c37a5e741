"""What a reporting source is. The loop around it (produce, wait for the ack, save the cursor, retry) is `run.py`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from schemas.raw import Report


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the platform lists it. Days and hours of its reports are of `zone`."""

    account_id: str
    zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a report: its bytes as they came, where it belongs, and what names it within its date.

    `name` is the row's identity inside (account, report, date): it finds rows that vanish. Both are "" where there is
    nothing to find: in reports without dates, and for a row that cannot be read (it goes on to the dead letters).
    """

    campaign_key: str
    date: str
    name: str
    body: bytes


class Source(Protocol):
    """Calls raise Transient (try again) or Misconfigured (a person must act for this account); all else is our bug."""

    @property
    def name(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def api_version(self) -> str: ...
    @property
    def reports(self) -> tuple[Report, ...]: ...

    def notice(self, today: date) -> str | None:
        """What somebody should do soon, as a sentence: the version in use ends, for instance."""
        ...

    async def account_ids(self) -> list[str]:
        """Every account to read now. An account that cannot be read is for `account` to say."""
        ...

    async def account(self, account_id: str) -> Account:
        """What the platform says of one of them."""
        ...

    def pages(self, account: Account, report: Report, since: date, until: date) -> AsyncIterator[list[Row]]:
        """All rows of the report over these local dates, both included, in pages. A second call reads again."""
        ...

    def vanished(self, account: Account, report: Report, day: str, name: str) -> Row:
        """The identity of a row that was there before, as a row without metrics."""
        ...
