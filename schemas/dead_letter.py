"""A record that could not go on, whole, with the reason and the place it came from."""

from schemas.record import Contract


class DeadLetter(Contract):
    """Value on `dead_letters`. Identity: `topic`, `partition`, `offset`; a second copy is the same letter.

    `key` and `value` are the record's bytes in Base64 (null as null). `field` names what is wrong, "" for the whole.
    """

    schema_version: int = 1
    code: str
    field: str
    detail: str
    stage: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str | None
    value: str | None
