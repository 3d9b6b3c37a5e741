-- Which zones report rows name.
SELECT groupUniqArray(JSONExtractString(value, 'row', 'customer', 'timeZone')) AS zones
FROM raw_records
WHERE topic = {topic:String}
