"""When the platform is away or busy by itself: short spells, a function of (seed, instant)."""

from connectors.simulator.account import SERVING
from connectors.simulator.calendar import HOUR_MS
from connectors.simulator.draw import draw
from connectors.simulator.google_ads_refusal import Refusal, too_many_requests, unavailable
from connectors.simulator.market_settings import MINUTE_MS, MarketSettings

BLOCK_MS = 3 * HOUR_MS
SPELL_MS = 3 * MINUTE_MS
# A person who has just started the demo sees figures first.
QUIET_START_MS = 30 * MINUTE_MS
RETRY_DELAY = "1s"


def spell(settings: MarketSettings, at_ms: int) -> tuple[int, int, str | None] | None:
    """`(from_ms, until_ms, account_id)` of the spell in the block of time around the instant; None when it has none.

    With an account it is that account's quota (429), without one the whole service is away (503).
    """
    block = at_ms // BLOCK_MS
    if draw(settings.seed, "spell", block, below=3) == 0:
        return None
    from_ms = block * BLOCK_MS + draw(settings.seed, "spell at", block, below=BLOCK_MS - SPELL_MS)
    kind = draw(settings.seed, "spell of", block, below=2 * len(SERVING))
    account_id = SERVING[kind].account_id if kind < len(SERVING) else None
    return from_ms, from_ms + SPELL_MS, account_id


def refusal_at(settings: MarketSettings, account_id: str, at_ms: int) -> Refusal | None:
    """What the service answers to a read of the account at the instant, or None when it serves."""
    if not settings.outages or at_ms < settings.anchor_ms + QUIET_START_MS:
        return None
    found = spell(settings, at_ms)
    if found is None or not found[0] <= at_ms < found[1]:
        return None
    if found[2] is None:
        return unavailable()
    return too_many_requests(RETRY_DELAY) if found[2] == account_id else None
