"""Names of event ids that the changelog lacks, in order. `pipeline.native` has the same, packed as they come."""

import msgspec

_pack = msgspec.msgpack.Encoder().encode


class IdNames(list[str]):
    """The names; a row of the changelog takes as many of them at once as it has room for."""

    def packed(self, start: int, stop: int) -> bytes:
        """Those from `start` to `stop`, as an array of MessagePack."""
        return _pack(self[start:stop])

    def drop(self, count: int) -> None:
        """Forget the first `count`."""
        del self[:count]
