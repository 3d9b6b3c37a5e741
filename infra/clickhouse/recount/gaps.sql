-- The ranges of a partition follow one another: how many offsets between them are in none, and how much is stored.
SELECT
    sum(greatest(0, toInt64(first_offset) - before - 1)) AS missing,
    sum(records) AS stored
FROM
(
    SELECT
        first_offset,
        rows + refused AS records,
        if(
            row_number() OVER (PARTITION BY topic, topic_id, partition ORDER BY first_offset ASC) = 1,
            toInt64(first_offset) - 1,
            max(toInt64(last_offset)) OVER
            (
                PARTITION BY topic, topic_id, partition ORDER BY first_offset ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
        ) AS before
    FROM sink_blocks FINAL
)
