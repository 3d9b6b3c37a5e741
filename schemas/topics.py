"""Every topic: name, content, key and settings. A topic is never re-created or re-partitioned in place."""

from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel

from schemas.alert import Alert
from schemas.campaign import Campaign
from schemas.dead_letter import DeadLetter
from schemas.event import Event
from schemas.feed import FeedHealth
from schemas.raw import RawReportRow
from schemas.total import Total

DAY_MS = 86_400_000
# Raw records may carry instants of long ago (recorded files) or, in a demo, ahead of the wall clock: retention by time
# would delete the first at once, and the default limit would refuse the second.
_ANY_TIME = {"message.timestamp.after.max.ms": str(2**62)}
_RAW = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": str(8 << 30),
    "max.message.bytes": str(12 << 20),
}
_LOG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": str(2 << 30)}
_LETTERS = {**_LOG, "max.message.bytes": str(20 << 20)}  # the largest raw record in Base64
_CURSORS = {"cleanup.policy": "compact", "max.message.bytes": str(12 << 20)}  # the ad names of a day in one record
_STATE = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.3", "segment.bytes": str(64 << 20)}


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    key: str
    holds: str
    model: type[BaseModel] | None
    config: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    public: bool = False


def _topic(
    name: str,
    key: str,
    holds: str,
    model: type[BaseModel] | None,
    config: dict[str, str],
    *,
    public: bool = False,
) -> Topic:
    return Topic(name, key, holds, model, MappingProxyType({**config, **_ANY_TIME}), public)


RAW_GOOGLE_ADS = "raw.google_ads.v1"
RAW_EVENTS = "raw.events.v1"
TOTALS = "totals.v1"
CAMPAIGNS = "campaigns.v1"
FEEDS = "feeds.v1"
DEAD_LETTERS = "dead_letters"
ALERTS_BUDGET = "alerts.budget"
ALERTS_THRESHOLD = "alerts.threshold"
ALERTS_ANOMALY = "alerts.anomaly"
EVENTS_CAMPAIGN = "events.campaign"
BUDGET_DAYS = "budget_days.v1"
STATE_BUDGETS = "state.budgets.v1"
STATE_REPORTED = "state.reported.v1"
STATE_COUNTED = "state.counted.v1"
STATE_JUDGE = "state.judge.v1"
CURSORS = "cursors.v1"

# Written to the partition of their key; every other output goes to the partition of its state.
REKEYED: frozenset[str] = frozenset({BUDGET_DAYS})
ALERT_TOPICS: tuple[str, ...] = (ALERTS_BUDGET, ALERTS_THRESHOLD, ALERTS_ANOMALY)

TOPICS: tuple[Topic, ...] = (
    _topic(RAW_GOOGLE_ADS, "campaign key", "Google Ads report rows as they came", RawReportRow, _RAW),
    _topic(RAW_EVENTS, "campaign key", "events as posted; null key and value: a tick", Event, _RAW),
    _topic(TOTALS, "total id", "absolute totals with versions, and checkpoints", Total, _LOG, public=True),
    _topic(CAMPAIGNS, "campaign key", "campaigns as the platform describes them", Campaign, _LOG, public=True),
    _topic(FEEDS, "source|account|report", "feed health", FeedHealth, _LOG, public=True),
    _topic(DEAD_LETTERS, "key of the record", "records that could not go on", DeadLetter, _LETTERS, public=True),
    _topic(ALERTS_BUDGET, "campaign key", "budget alerts", Alert, _LOG, public=True),
    _topic(ALERTS_THRESHOLD, "campaign key", "threshold alerts", Alert, _LOG, public=True),
    _topic(ALERTS_ANOMALY, "campaign key", "anomaly alerts", Alert, _LOG, public=True),
    _topic(EVENTS_CAMPAIGN, "campaign key", "the four public event shapes", None, _LOG, public=True),
    _topic(BUDGET_DAYS, "platform:account:budget:id", "days under a shared budget, keyed by budget", None, _LOG),
    _topic(STATE_BUDGETS, "row key|assignment", "changelog of shared budgets", None, _STATE),
    _topic(STATE_REPORTED, "row key|assignment", "changelog of reported rows", None, _STATE),
    _topic(STATE_COUNTED, "row key|assignment", "changelog of counted rows", None, _STATE),
    _topic(STATE_JUDGE, "row key|assignment", "changelog of the judge", None, _STATE),
    _topic(CURSORS, "source|account|report", "where each source resumes", None, _CURSORS),
)
BY_NAME: MappingProxyType[str, Topic] = MappingProxyType({topic.name: topic for topic in TOPICS})
