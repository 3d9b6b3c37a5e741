"""A mend of aiokafka 0.14: its producer looks for absent brokers without a rest while it has something to write.

Thousands of looks a second, each with two lines in the log. `tests/contract/test_transport.py` shows it, and holds the
private method this stands on.
"""

import asyncio
from typing import Any

REST_S = 0.25


def be_patient(client: Any) -> None:
    """Rest after every look that found no broker. `client`: the `AIOKafkaClient` of a producer, before its start."""
    look = client._metadata_update  # noqa: SLF001

    async def patient(*arguments: Any) -> bool:
        found: bool = await look(*arguments)
        if not found:
            await asyncio.sleep(REST_S)
        return found

    client._metadata_update = patient  # noqa: SLF001
