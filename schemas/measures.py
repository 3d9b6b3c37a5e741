"""The additive measures of a total, in the order every row, message and table keeps them.

Counts are whole numbers. `spend_micros` and `revenue_micros` are 1e-6 of the currency beside them;
`conversions_micros` is 1e-6 of a conversion, because platforms attribute fractions of one.
"""

MEASURES: tuple[str, ...] = (
    "impressions",
    "clicks",
    "link_clicks",
    "spend_micros",
    "conversions_micros",
    "revenue_micros",
    "video_views",
    "sent",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "failed",
)
IMPRESSIONS, CLICKS, LINK_CLICKS, SPEND, CONVERSIONS, REVENUE, VIDEO_VIEWS = range(7)
ZERO: tuple[int, ...] = (0,) * len(MEASURES)
MICROS = 1_000_000
MOST = 2**63 - 1  # a sum that would be more stays there: so much is what rows, tables and most readers can hold
