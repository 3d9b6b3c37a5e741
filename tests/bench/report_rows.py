"""Google Ads report rows as the connector writes them to the raw topic, built before anything is measured.

One account in Berlin. Per campaign: its days, the hours of the last one, and ads by day; 700 to 900 bytes a record.
A run is one read of everything; each run has its own time, id and, where rows are to change, its own figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec

ACCOUNT = "1234567890"
LAST_DAY = date(2026, 11, 20)
FIRST_READ_MS = int(datetime(2026, 11, 20, 20, tzinfo=UTC).timestamp() * 1000)
RUN_EVERY_MS = 60_000
DAYS, HOURS, ADS = 20, 18, 2  # of each campaign: 20 days, 18 hours of the last day, 2 ads on one day each
ROWS_PER_CAMPAIGN = DAYS + HOURS + ADS


@dataclass(frozen=True, slots=True)
class RawRow:
    """A record to produce: Kafka key (None: to every partition), value, timestamp in Unix ms."""

    key: bytes | None
    value: bytes
    timestamp_ms: int


def run(number: int, *, campaigns: int, figures: int, changed_percent: int = 100) -> Iterator[RawRow]:
    """Every row of one read, reports in turn, then the completions.

    `figures`: what the changed rows' numbers are made from; two runs with the same one have the same rows.
    `changed_percent`: how many of the rows move with `figures`; the others keep those of `figures` 0.
    """
    at_ms = FIRST_READ_MS + number * RUN_EVERY_MS
    for report in ("campaign_hour", "ad_day", "campaign_day"):
        head = _head(number, at_ms, "row", report)
        for campaign in range(campaigns):
            campaign_id = str(20_000_000_000 + campaign)
            key = f"google_ads:{ACCOUNT}:{campaign_id}".encode()
            for row in _rows(report, campaign_id, campaign, figures, changed_percent):
                yield RawRow(key, head + b',"row":' + row + b"}", at_ms)
        since = str(LAST_DAY - timedelta(days=DAYS - 1))
        complete = _head(number, at_ms, "report_complete", report)
        span = f',"since":"{since}","until":"{LAST_DAY}","rows":{campaigns},"zone":"Europe/Berlin"}}'
        yield RawRow(None, complete + span.encode(), at_ms)


def clicks_of(campaign: int, place: int, figures: int, changed_percent: int = 100) -> int:
    """Clicks of a row: `place` counts a campaign's rows of one report from 0."""
    moved = figures if (campaign * 41 + place * 7) % 100 < changed_percent else 0
    return 100 + (campaign * 31 + place * 17) % 900 + moved


def _head(number: int, at_ms: int, kind: str, report: str) -> bytes:
    """The connector's envelope without its end."""
    body = {
        "v": 1,
        "source": "google_ads",
        "kind": kind,
        "report": report,
        "api_version": "v26",
        "account_id": ACCOUNT,
        "fetched_at_ms": at_ms,
        "run_id": f"{number:012x}",
    }
    return msgspec.json.encode(body)[:-1]


def _rows(report: str, campaign_id: str, campaign: int, figures: int, changed_percent: int) -> Iterator[bytes]:
    who = (
        f'"customer":{{"resourceName":"customers/{ACCOUNT}","id":"{ACCOUNT}","currencyCode":"EUR",'
        f'"timeZone":"Europe/Berlin"}},"campaign":{{"resourceName":"customers/{ACCOUNT}/campaigns/{campaign_id}",'
        f'"status":"ENABLED","name":"Autumn brand search {campaign}","id":"{campaign_id}"}}'
    )
    count = {"campaign_hour": HOURS, "ad_day": ADS, "campaign_day": DAYS}[report]
    for place in range(count):
        clicks = clicks_of(campaign, place, figures, changed_percent)
        more, day = "", LAST_DAY
        segments = f'"date":"{day}"'
        if report == "campaign_day":
            segments = f'"date":"{day - timedelta(days=place)}"'
        elif report == "campaign_hour":
            segments = f'"date":"{day}","hour":{place}'
        else:
            more = (
                f'"adGroup":{{"resourceName":"customers/{ACCOUNT}/adGroups/5{campaign_id}","id":"5{campaign_id}",'
                f'"name":"Group"}},"adGroupAd":{{"ad":{{"id":"7{place}{campaign_id}","type":"RESPONSIVE_SEARCH_AD"}}}},'
            )
        metrics = (
            f'"videoTrueviewViews":"{clicks // 9}","clicks":"{clicks}",'
            f'"conversionsValue":{clicks * 3}.{clicks % 100:02d},"conversions":{clicks // 40}.5,'
            f'"costMicros":"{clicks * 310_000}","allConversions":{clicks // 30}.25,'
            f'"allConversionsValue":{clicks * 4}.75,"impressions":"{clicks * 97}","viewThroughConversions":"3"'
        )
        yield f'{{{who},{more}"metrics":{{{metrics}}},"segments":{{{segments}}}}}'.encode()
