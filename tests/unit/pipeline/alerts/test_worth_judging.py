"""What the judge does not even read."""

import pytest

from pipeline.alerts.worth_judging import may_be_judged


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        (b"p:a:c|||reported|1d|1", b'{"daily_budget_micros":null}', True),
        (b"p:a:c|||reported|1d|1", b"{", True),
        (b"p:a:c|||counted|1d|1", b'{"is_final":false,"daily_budget_micros":5}', True),
        (b"p:a:c|||counted|1d|1", b'{"is_final":false,"daily_budget_micros":null}', False),
        (b"p:a:c|||counted|1h|1", b'{"is_final":true,"daily_budget_micros":null}', True),
        (b"p:a:c|||counted|1h|1", b'{"is_final":false}', False),
        (b"p:a:c|||reported|1h|1", b'{"is_final":false}', False),
        (b"p:a:c|||reported|1h|1", b'{"is_final":true,"campaign_name":"\\"is_final\\":false"}', True),
        (b"p:a:c|||counted|1m|1", b'{"is_final":true}', False),
        (b"p:a:c||ad|counted|1h|1", b'{"is_final":true}', False),
        (b"p:a:c|5|9|reported|1d|1", b"{}", False),
        (b"not an id", b"{}", False),
    ],
)
def test_only_what_a_rule_may_look_at_is_read(key: bytes, value: bytes, read: bool) -> None:
    assert may_be_judged(key, value) is read
