"""Spells in which the platform is away or busy by itself."""

from connectors.simulator.account import SERVING
from connectors.simulator.market_settings import MINUTE_MS, MarketSettings
from connectors.simulator.outage import BLOCK_MS, QUIET_START_MS, refusal_at, spell

SETTINGS = MarketSettings(seed=3)
DAYS = 30


def test_spells_of_both_kinds_come_again_and_again_and_always_the_same() -> None:
    starts = [SETTINGS.anchor_ms + n * BLOCK_MS for n in range(1, DAYS * 8)]
    found = [s for s in (spell(SETTINGS, at_ms) for at_ms in starts) if s]
    assert found == [s for s in (spell(SETTINGS, at_ms) for at_ms in starts) if s]
    statuses = set()
    for from_ms, until_ms, account_id in found:
        asked = account_id or SERVING[0].account_id
        inside, after = refusal_at(SETTINGS, asked, from_ms), refusal_at(SETTINGS, asked, until_ms)
        assert inside is not None
        statuses.add(inside.http)
        assert after is None
        if account_id:
            others = [a.account_id for a in SERVING if a.account_id != account_id]
            assert [refusal_at(SETTINGS, other, from_ms) for other in others] == [None, None]
    assert statuses == {429, 503}
    assert len(found) < len(starts)


def test_the_first_half_hour_of_a_demo_and_a_market_without_outages_are_quiet() -> None:
    for minute in range(QUIET_START_MS // MINUTE_MS):
        for account in SERVING:
            assert refusal_at(SETTINGS, account.account_id, SETTINGS.anchor_ms + minute * MINUTE_MS) is None
    calm = MarketSettings(seed=3, outages=False)
    for minute in range(0, DAYS * 24 * 60, 2):
        assert refusal_at(calm, SERVING[0].account_id, calm.anchor_ms + minute * MINUTE_MS) is None
