"""Who advertises: campaigns by index, dealt over the accounts in turn; the first twenty-two play the story."""

from dataclasses import dataclass, replace
from typing import Any

from connectors.simulator.account import SERVING, Account
from connectors.simulator.calendar import DAY_MS, local_date, midnight_ms
from connectors.simulator.campaign import Ad, Role, SimCampaign
from connectors.simulator.draw import draw
from connectors.simulator.market_settings import MarketSettings

# Index -> role. The account is index % 3, so a role's account stays what it is when roles are added at the end.
ROLES: tuple[Role, ...] = (
    Role.OVERSPEND,
    Role.LOW_CTR,
    Role.LOW_ROAS,
    Role.HIGH_CPC,
    Role.SPEND_SPIKE,
    Role.CTR_COLLAPSE,
    Role.RESTATED_BELOW,
    Role.RESTATED_ABOVE,
    Role.ZERO_SPEND,
    Role.SPEND_SPIKE_LIVE,
    Role.BUDGET_RAISED,
    Role.PAUSED_LIVE,
    Role.VANISHED_DAY,
    Role.AD_DELETED,
    Role.PLAIN,
    Role.SHARED_BUDGET,
    Role.PLAIN,
    Role.REMOVED,
    Role.SHARED_BUDGET,
    Role.TOTAL_BUDGET,
    Role.PAUSED,
    Role.ENDED,
)
_STEADY = frozenset({Role.SPEND_SPIKE, Role.CTR_COLLAPSE, Role.SPEND_SPIKE_LIVE, Role.ZERO_SPEND})
_THEMES = ("Brand", "Tents", "Lamps", "Novels", "Boots", "Kitchen", "Textbooks", "Jackets", "Sofas", "Comics")
_GOALS = ("Prospecting", "Always on", "Retargeting", "Season", "Launch")
_TYPES = ("SEARCH", "SHOPPING", "SEARCH", "PERFORMANCE_MAX", "DISPLAY", "SEARCH", "VIDEO", "DEMAND_GEN")
_AD_TYPES = {"SEARCH": "RESPONSIVE_SEARCH_AD", "SHOPPING": "SHOPPING_PRODUCT_AD", "VIDEO": "VIDEO_RESPONSIVE_AD"}
_MICROS = 1_000_000
# Local price of a click beside the euro's and the dollar's; low enough that the default CPC limit finds only its label.
_CPC_PERCENT = {"EUR": 100, "USD": 115, "INR": 125}


@dataclass(frozen=True, slots=True)
class _Traits:
    """What a role fixes; everything else is drawn. `use_per_mille`: share of the budget an ordinary best day spends."""

    use_per_mille: int
    ctr_ppm: int
    cpc_micros: int
    roas_per_mille: int
    shape: str


_FIXED: dict[Role, dict[str, Any]] = {
    Role.OVERSPEND: {"use_per_mille": 1_900, "shape": "front_loaded"},
    Role.LOW_CTR: {"ctr_ppm": 18_000},
    Role.LOW_ROAS: {"roas_per_mille": 1_200},
    Role.HIGH_CPC: {"cpc_micros": 3_400_000},
    # Every weekday alike, so that the story holds whatever day it is told on.
    Role.RESTATED_BELOW: {"use_per_mille": 700, "shape": "round_the_clock"},
    Role.RESTATED_ABOVE: {"use_per_mille": 700, "shape": "round_the_clock"},
}


def build(settings: MarketSettings) -> tuple[SimCampaign, ...]:
    """The campaigns of a market, the same for the same settings. `settings.campaigns` takes the first so many."""
    campaigns = [_campaign(settings, index) for index in range(settings.campaigns)]
    sharing = [c for c in campaigns if c.role is Role.SHARED_BUDGET]
    if len(sharing) == 2:
        together = sum(c.budget_micros for c in sharing)
        shared = [
            replace(c, budget_id=sharing[0].budget_id, budget_micros=together, budget_shared=True) for c in sharing
        ]
        campaigns = [next((s for s in shared if s.campaign_id == c.campaign_id), c) for c in campaigns]
    return tuple(campaigns)


def _campaign(settings: MarketSettings, index: int) -> SimCampaign:
    role = ROLES[index] if index < len(ROLES) else Role.PLAIN
    account = SERVING[index % len(SERVING)]
    campaign_id = str(700_000_000 + 1_000 * (index % len(SERVING) + 1) + index)
    traits = _traits(settings.seed, index, role, account)
    clicks_per_day = 900 + draw(settings.seed, "clicks", index, below=2_600)
    spend_micros = clicks_per_day * traits.cpc_micros
    step = 5 * _MICROS if account.currency != "INR" else 50 * _MICROS
    budget_micros = -(-spend_micros * 1000 // traits.use_per_mille // step) * step
    kind = _type(index, role)
    start_ms, stop_ms = _flight(settings, index, role, account)
    return SimCampaign(
        account=account,
        campaign_id=campaign_id,
        name=_name(settings.seed, index, account, kind),
        type=kind,
        role=role,
        shape=traits.shape,
        impressions_per_day=clicks_per_day * _MICROS // traits.ctr_ppm,
        ctr_ppm=traits.ctr_ppm,
        cpc_micros=traits.cpc_micros,
        cvr_ppm=35_000 + draw(settings.seed, "cvr", index, below=30_000),
        roas_per_mille=traits.roas_per_mille,
        spend_micros=spend_micros,
        budget_id=str(800_000_000 + index),
        budget_micros=budget_micros,
        budget_shared=False,
        total_budget_micros=budget_micros * 60 if role is Role.TOTAL_BUDGET else None,
        start_ms=start_ms,
        stop_ms=stop_ms,
        ads=() if kind == "PERFORMANCE_MAX" else _ads(settings.seed, index, kind),
    )


def _traits(seed: int, index: int, role: Role, account: Account) -> _Traits:
    cpc_micros = (600_000 + draw(seed, "cpc", index, below=70) * 10_000) * _CPC_PERCENT[account.currency] // 100
    plain = _Traits(
        use_per_mille=560 + draw(seed, "use", index, below=240),
        ctr_ppm=65_000 + draw(seed, "ctr", index, below=30_000),
        cpc_micros=cpc_micros,
        roas_per_mille=6_500 + draw(seed, "roas", index, below=4_000),
        shape=("retail", "office", "retail", "round_the_clock")[draw(seed, "shape", index, below=4)],
    )
    if role in _STEADY:
        return replace(plain, use_per_mille=600, shape="round_the_clock")
    return replace(plain, **_FIXED.get(role, {}))


def _type(index: int, role: Role) -> str:
    if role is Role.AD_DELETED or role in _STEADY:
        return "SEARCH"
    if role is Role.LOW_CTR:
        return "DISPLAY"
    return "PERFORMANCE_MAX" if index == 14 else _TYPES[index % len(_TYPES)]


def _name(seed: int, index: int, account: Account, kind: str) -> str:
    theme = _THEMES[draw(seed, "theme", index, below=len(_THEMES))]
    goal = _GOALS[draw(seed, "goal", index, below=len(_GOALS))]
    return f"{theme} {account.market} | {kind.replace('_', ' ').title()} | {goal} {index + 1:02d}"


def _flight(settings: MarketSettings, index: int, role: Role, account: Account) -> tuple[int, int | None]:
    """Start and stop of delivery; whole local days, so that a budget day is never cut by a flight."""
    today_ms = midnight_ms(account.zone, local_date(account.zone, settings.anchor_ms))
    running_days = 120 + draw(settings.seed, "start", index, below=300)
    stops = {Role.REMOVED: 20, Role.PAUSED: 12, Role.ENDED: 5}
    start_day = local_date(account.zone, today_ms - running_days * DAY_MS + DAY_MS // 2)
    start_ms = midnight_ms(account.zone, start_day)
    if role not in stops:
        return start_ms, None
    stop_day = local_date(account.zone, today_ms - stops[role] * DAY_MS + DAY_MS // 2)
    return start_ms, midnight_ms(account.zone, stop_day)


def _ads(seed: int, index: int, kind: str) -> tuple[Ad, ...]:
    ads = []
    for number in range(2 + draw(seed, "ads", index, below=3)):
        group = number // 2
        ads.append(
            Ad(
                ad_group_id=str(500_000_000 + index * 10 + group),
                ad_group_name=f"Group {group + 1}",
                ad_id=str(600_000_000 + index * 10 + number),
                name=f"Creative {chr(ord('A') + number)}",
                type=_AD_TYPES.get(kind, "RESPONSIVE_DISPLAY_AD"),
                weight=2 + draw(seed, "weight", index, number, below=6),
            )
        )
    return tuple(ads)
