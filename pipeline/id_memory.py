"""Which event ids were seen, and in which hour last. `pipeline.native` has a smaller and faster one like it."""


class IdMemory:
    """About 130 bytes an id of 24 characters. `seen` is open to the one loop that runs for every record."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}  # campaign key + id -> hour last seen
        self._by_hour: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self.seen)

    def note(self, name: str, hour: int) -> int:
        """The hour this name was last seen before, -1 for never; from now on it is `hour` if that is later."""
        known = self.seen.get(name, -1)
        if known < hour:
            self.seen[name] = hour
            self.names_of(hour).append(name)
        return known

    def names_of(self, hour: int) -> list[str]:
        """Names last seen in that hour, or in it before a later one."""
        return self._by_hour.setdefault(hour, [])

    def forget_before(self, hour: int) -> None:
        """Drop what was last seen in an earlier hour."""
        for old in [known for known in self._by_hour if known < hour]:
            for name in self._by_hour.pop(old):
                if self.seen.get(name) == old:
                    del self.seen[name]
