-- Which zones events name, and how many hours of record time they span.
SELECT
    groupUniqArray(JSONExtractString(value, 'zone')) AS zones,
    intDiv(toUnixTimestamp64Milli(max(timestamp)), 3600000) - intDiv(toUnixTimestamp64Milli(min(timestamp)), 3600000)
        AS span_h
FROM raw_records
WHERE topic = {topic:String}
