"""The market's advertising accounts: three that serve, in three zones and currencies, one closed, and their manager."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the platform. `zone` is IANA; days and hours of its reports are in it. `market` is for names."""

    account_id: str
    name: str
    currency: str
    zone: str
    market: str
    enabled: bool = True
    manager: bool = False

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


MANAGER = Account("9000000001", "Simulated Agency", "EUR", "Europe/Berlin", "ALL", manager=True)
BERLIN = Account("1000000001", "Nordlicht Outdoor", "EUR", "Europe/Berlin", "DE")
NEW_YORK = Account("1000000002", "Harbor Home", "USD", "America/New_York", "US")
KOLKATA = Account("1000000003", "Monsoon Books", "INR", "Asia/Kolkata", "IN")
CLOSED = Account("1000000009", "Closed Shop", "EUR", "Europe/Berlin", "DE", enabled=False)

SERVING: tuple[Account, ...] = (BERLIN, NEW_YORK, KOLKATA)
CLIENTS: tuple[Account, ...] = (*SERVING, CLOSED)
