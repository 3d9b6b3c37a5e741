"""Pages of one answer. A token pins the snapshot: later pages show what the first one saw, whatever happens between."""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from connectors.simulator.calendar import HOUR_MS
from connectors.simulator.google_ads_refusal import request_error

PAGE_ROWS = 10_000
TOKEN_LIFETIME_MS = 6 * HOUR_MS
_KEPT_SNAPSHOTS = 8

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """`offset`: place of the first row in the whole answer; `token`: of the next page, None on the last."""

    as_of_ms: int
    offset: int
    rows: Rows
    total_rows: int
    token: str | None


class Pages:
    """Cuts answers. Tokens hold all they need, so they outlive a restart; recent snapshots are kept to spare work."""

    def __init__(self, page_rows: int = PAGE_ROWS) -> None:
        self.page_rows = page_rows
        self._snapshots: OrderedDict[str, Rows] = OrderedDict()

    def first(self, account_id: str, query: str, at_ms: int, rows: Rows) -> Page:
        """The first page of a fresh answer."""
        digest = _digest(account_id, query)
        if len(rows) > self.page_rows:
            self._keep(f"{digest}@{at_ms}", rows)
        return self._cut(digest, at_ms, 0, rows)

    def next(self, account_id: str, query: str, token: str, at_ms: int, *, answer_as_of: Callable[[int], Rows]) -> Page:
        """A later page. `answer_as_of` recomputes a snapshot that is no longer kept.

        Raises Refusal: INVALID_PAGE_TOKEN for a token of another query or none of ours, EXPIRED_PAGE_TOKEN.
        """
        digest = _digest(account_id, query)
        try:
            made_for, as_of_ms, offset = orjson.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, TypeError, binascii.Error):
            raise request_error("INVALID_PAGE_TOKEN", "Page token was invalid.") from None
        if made_for != digest:
            raise request_error("INVALID_PAGE_TOKEN", "Page token was invalid.")
        if at_ms - as_of_ms > TOKEN_LIFETIME_MS:
            raise expired_page_token()
        rows = self._snapshots.get(f"{digest}@{as_of_ms}")
        if rows is None:
            rows = answer_as_of(as_of_ms)
            self._keep(f"{digest}@{as_of_ms}", rows)
        return self._cut(digest, as_of_ms, offset, rows)

    def _keep(self, name: str, rows: Rows) -> None:
        self._snapshots[name] = rows
        while len(self._snapshots) > _KEPT_SNAPSHOTS:
            self._snapshots.popitem(last=False)

    def _cut(self, digest: str, as_of_ms: int, offset: int, rows: Rows) -> Page:
        end = offset + self.page_rows
        token = None
        if end < len(rows):
            token = base64.urlsafe_b64encode(orjson.dumps([digest, as_of_ms, end])).decode()
        return Page(as_of_ms, offset, rows[offset:end], len(rows), token)


def expired_page_token() -> Exception:
    return request_error("EXPIRED_PAGE_TOKEN", "Page token has expired.")


def _digest(account_id: str, query: str) -> str:
    return hashlib.blake2b(f"{account_id}|{query}".encode(), digest_size=8).hexdigest()
