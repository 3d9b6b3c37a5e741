"""What `agents/no_tables.py` leaves out is a sleep and nothing else."""

import inspect

from faust.tables import TableManager

from agents.no_tables import NoTables


def code(method: object) -> list[str]:
    return [line.strip() for line in inspect.getsource(method).splitlines() if line.strip()]  # type: ignore[arg-type]


def test_the_stock_start_is_a_sleep_and_the_two_steps_we_take() -> None:
    assert code(TableManager.on_start) == [
        "async def on_start(self) -> None:",
        '"""Call when table manager is starting."""',
        "await self.sleep(1.0)",
        "if not self.should_stop:",
        "await self._update_channels()",
        "await self.recovery.start()",
    ]
    assert code(NoTables.on_start)[1:] == ["await self._update_channels()", "await self.recovery.start()"]
