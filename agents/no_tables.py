"""Faust's table manager for an app without tables: stock sleeps a second at every start, in case tables come late."""

from faust.tables import TableManager


class NoTables(TableManager):  # type: ignore[misc]
    """State is kept beside Faust, so nothing is ever registered; see `tests/contract/test_no_tables.py`."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()
