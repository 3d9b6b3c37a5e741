"""Names in JSON objects that their reader does not know: each is noticed once, and costs nothing from then on."""

from collections.abc import Iterable

import msgspec

MOST_NAMES = 100  # a sender that makes up names must not fill the memory
NAME_CHARS = 64


class UnknownFields:
    """`known`: the names the reader takes. Objects with known names only, or names noticed before, are passed over."""

    def __init__(self, known: Iterable[str]) -> None:
        self._names = list(known)
        self._left = MOST_NAMES
        self._refuse_others = self._decoder()

    def _decoder(self) -> msgspec.json.Decoder[msgspec.Struct]:
        """Reads nothing, and refuses an object with another name: the cheapest look at all names."""
        plain = [name for name in self._names if name.isprintable() and not {'"', "\\"}.intersection(name)]
        fields = [(f"f{number}", msgspec.Raw, msgspec.Raw()) for number in range(len(plain))]
        rename = {f"f{number}": name for number, name in enumerate(plain)}
        return msgspec.json.Decoder(
            msgspec.defstruct("Names", fields, rename=rename, forbid_unknown_fields=True, gc=False)
        )

    def new_in(self, value: bytes) -> list[str]:
        """Names of this JSON object that are seen for the first time, cut to `NAME_CHARS`. No object has none."""
        if not self._left:
            return []
        try:
            self._refuse_others.decode(value)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
            return self._learn(value)
        return []

    def _learn(self, value: bytes) -> list[str]:
        try:
            fields = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            return []
        fresh = [name for name in fields if name not in self._names][: self._left]
        if not fresh:
            return []  # a name that cannot stand in a decoder, again
        self._names += fresh
        self._left -= len(fresh)
        self._refuse_others = self._decoder()
        return [name[:NAME_CHARS] for name in fresh]
