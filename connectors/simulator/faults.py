"""Faults a test orders over `POST /_sim/faults`, beside those the market has by itself."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.simulator import google_ads_refusal as refusals
from connectors.simulator.google_ads_refusal import Refusal


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(_Fault):
    """The next `count` searches (of the account, if named) are refused with this status.

    429 is a short-term limit with `retry_delay`; `daily` makes it the daily cap, which names no delay.
    """

    kind: Literal["answer"]
    status: Literal[401, 429, 500, 503]
    count: int = Field(default=1, ge=1)
    account_id: str | None = None
    retry_delay: str = "1s"
    daily: bool = False

    def refusal(self) -> Refusal:
        if self.status == 429:
            return refusals.daily_quota_spent() if self.daily else refusals.too_many_requests(self.retry_delay)
        return {401: refusals.not_authenticated, 500: refusals.internal_error, 503: refusals.unavailable}[self.status]()


class Truncate(_Fault):
    """The next `count` search answers end in the middle of their JSON."""

    kind: Literal["truncate"]
    count: int = Field(default=1, ge=1)


class ExpirePages(_Fault):
    """The next `count` page tokens are answered with EXPIRED_PAGE_TOKEN."""

    kind: Literal["expire_pages"]
    count: int = Field(default=1, ge=1)


class Outage(_Fault):
    """503 for every call until the instant (pulse ms)."""

    kind: Literal["outage"]
    until_ms: int


class Restate(_Fault):
    """The campaign's day (ISO, account zone), or one ad's part of it, changes now, or at `from_ms` if that is later."""

    kind: Literal["restate"]
    account_id: str
    campaign_id: str
    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    cost_per_mille: int = Field(ge=0, le=100_000)
    clicks_per_mille: int = Field(default=1000, ge=0, le=1000)
    ad_id: str | None = None
    from_ms: int | None = None


class Vanish(_Fault):
    """The campaign's day, or one ad's part of it, is credited to zero now: its rows are gone from the next read."""

    kind: Literal["vanish"]
    account_id: str
    campaign_id: str
    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    ad_id: str | None = None


class CloseAccount(_Fault):
    """The account answers CUSTOMER_NOT_ENABLED from now on; the manager's list still shows it ENABLED."""

    kind: Literal["close_account"]
    account_id: str


class ExpireTokens(_Fault):
    """Every access token given out so far is refused with 401; the refresh token still works."""

    kind: Literal["expire_tokens"]


class RevokeRefreshToken(_Fault):
    """`invalid_grant` for the refresh token, and 401 for every access token, until `clear`."""

    kind: Literal["revoke_refresh_token"]


class Clear(_Fault):
    """Takes back every fault but restatements and vanished rows, which are history."""

    kind: Literal["clear"]


Fault = Annotated[
    Answer
    | Truncate
    | ExpirePages
    | Outage
    | Restate
    | Vanish
    | CloseAccount
    | ExpireTokens
    | RevokeRefreshToken
    | Clear,
    Field(discriminator="kind"),
]


class Faults:
    """What is ordered and still to come. Restate and Vanish are the market's business and do not come here."""

    def __init__(self) -> None:
        self.token_generation = 0  # tokens of an earlier one are refused
        self._clear()

    def _clear(self) -> None:
        self._answers: list[Answer] = []
        self._truncate = 0
        self._expire_pages = 0
        self._outage_until_ms = 0
        self.closed: set[str] = set()
        self.revoked = False

    def order(self, fault: Fault) -> None:
        match fault:
            case Answer():
                self._answers.extend([fault] * fault.count)
            case Truncate():
                self._truncate += fault.count
            case ExpirePages():
                self._expire_pages += fault.count
            case Outage():
                self._outage_until_ms = fault.until_ms
            case CloseAccount():
                self.closed.add(fault.account_id)
            case ExpireTokens():
                self.token_generation += 1
            case RevokeRefreshToken():
                self.revoked = True
                self.token_generation += 1
            case Clear():
                self._clear()
            case Restate() | Vanish():
                raise TypeError(f"{fault.kind} changes the market, not the answers")

    def away(self, at_ms: int) -> bool:
        """Whether an ordered outage holds at the instant."""
        return at_ms < self._outage_until_ms

    def refusal(self, account_id: str) -> Refusal | None:
        """The next ordered refusal of a search of the account; each is used up by being asked for."""
        for place, answer in enumerate(self._answers):
            if answer.account_id in (None, account_id):
                del self._answers[place]
                return answer.refusal()
        return None

    def truncates(self) -> bool:
        """Whether this answer is to be cut; uses up one order."""
        self._truncate, cut = max(0, self._truncate - 1), self._truncate > 0
        return cut

    def expires_page(self) -> bool:
        """Whether this page token is to be refused; uses up one order."""
        self._expire_pages, expired = max(0, self._expire_pages - 1), self._expire_pages > 0
        return expired
