"""ClickHouse: client and error codes, migrations, the sink and the proof."""
