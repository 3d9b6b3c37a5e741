-- Every expected total beside the stored one. $expected: counted.sql or reported.sql; $measures: the columns.
WITH
sides AS
(
    SELECT
        campaign_key, ad_group_id, ad_id, window, toInt64(start_s) AS start_s,
        figures AS expected, CAST([], 'Array(Int64)') AS found, toUInt8(comparable) AS comparable
    FROM ($expected)
    UNION ALL
    SELECT
        campaign_key, ad_group_id, ad_id, window, intDiv(toUnixTimestamp64Milli(start), 1000) AS start_s,
        CAST([], 'Array(Int64)') AS expected, [$measures] AS found, 1 AS comparable
    FROM
    (
        SELECT * FROM totals FINAL WHERE basis = {basis:String}
        UNION ALL
        SELECT * FROM creative_totals FINAL WHERE basis = {basis:String}
    )
),
pairs AS
(
    SELECT
        concat(campaign_key, '|', ad_group_id, '|', ad_id, '|', {basis:String}, '|', window, '|', toString(start_s))
            AS total_id,
        max(sides.expected) AS expected,
        max(sides.found) AS found,
        min(sides.comparable) AS comparable,
        -- Raw records that retention has taken cannot be counted again. A report row stands for itself.
        start_s * 1000 >= {since_ms:Int64} OR ({basis:String} = 'reported' AND notEmpty(expected)) AS kept
    FROM sides
    GROUP BY campaign_key, ad_group_id, ad_id, window, start_s
)
SELECT
    countIf(comparable AND kept) AS checked,
    countIf(NOT comparable) AS not_comparable,
    groupArraySortedIf(100000)(
        (total_id, expected, found),
        comparable AND kept AND expected != found AND NOT (empty(expected) AND arrayAll(figure -> figure = 0, found))
    ) AS differing
FROM pairs
