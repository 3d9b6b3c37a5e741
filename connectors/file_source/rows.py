"""A recorded file, row by row and never whole: CSV or one JSON object a line, plain or gzip."""

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal

from pipeline.codes import BadRecordCode, MisconfiguredCode
from pipeline.errors import BadRecord, Misconfigured

MAX_ROW_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
Format = Literal["csv", "ndjson"]


@dataclass(frozen=True, slots=True)
class Row:
    """`number` counts from 0, the header not counted. `columns` is None when `problem` says why it cannot be read."""

    number: int
    raw: bytes
    columns: dict[str, Any] | None
    problem: BadRecord | None = None


class RowFile:
    """An open file. `position_bytes` of `size_bytes` (as on the disk) is how far it has been read."""

    def __init__(self, path: Path, file_format: Format | None = None, delimiter: str = ",") -> None:
        self.path, self.format, self._delimiter = path, file_format or format_of(path), delimiter
        self.name = stem_of(path)
        self.size_bytes = 0
        self._disk: IO[bytes] | None = None

    @property
    def position_bytes(self) -> int:
        return self._disk.tell() if self._disk is not None and not self._disk.closed else self.size_bytes

    def digest(self) -> str:
        """SHA-256 of the file as it is on the disk. Raises Misconfigured when it cannot be read."""
        digest = hashlib.sha256()
        with self._readable(), self.path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def rows(self, given_up: Callable[[], bool] = lambda: False) -> Generator[Row, None, None]:
        """Every row in order. Raises Misconfigured when the file is missing, cut off, or has no header.

        `given_up`: asked while the rest of a line that is too long is passed over; then that line is the last.
        """
        with self._readable(), self.path.open("rb") as disk:
            self._disk, self.size_bytes = disk, self.path.stat().st_size
            packed = disk.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            lines = _lines(gzip.open(disk) if packed else disk, given_up)  # noqa: SIM115 - closed with the disk file
            yield from _csv_rows(lines, self._delimiter, self.path) if self.format == "csv" else _json_rows(lines)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            raise Misconfigured(
                MisconfiguredCode.SETTING, f"The file {self.path} cannot be read to its end: {error}."
            ) from None


def stem_of(path: Path) -> str:
    """`orders.csv.gz` -> `orders`."""
    name = path.name.removesuffix(".gz")
    for ending in (".csv", ".ndjson", ".jsonl", ".json", ".tsv"):
        name = name.removesuffix(ending)
    return name


def format_of(path: Path) -> Format:
    """By the name's ending. Raises Misconfigured for another one."""
    ending = Path(path.name.removesuffix(".gz")).suffix
    if ending in {".csv", ".tsv"}:
        return "csv"
    if ending in {".ndjson", ".jsonl"}:
        return "ndjson"
    raise Misconfigured(
        MisconfiguredCode.SETTING,
        f'{path.name} is neither .csv nor .ndjson (.gz behind is fine); a mapping can say format = "csv" or "ndjson".',
    )


def _lines(file: IO[bytes] | gzip.GzipFile, given_up: Callable[[], bool]) -> Iterator[bytes]:
    """Lines with their ends; of a longer one `MAX_ROW_BYTES` + 1 bytes, and its rest is passed over."""
    while line := file.readline(MAX_ROW_BYTES + 1):
        rest = line
        while len(rest) > MAX_ROW_BYTES and not rest.endswith(b"\n"):
            if given_up():  # packed, it may go on for hours
                yield line
                return
            rest = file.readline(MAX_ROW_BYTES + 1)
        yield line


def _oversized(number: int, raw: bytes) -> Row:
    problem = BadRecord(BadRecordCode.OVERSIZED, "", f"a row may have {MAX_ROW_BYTES} bytes")
    return Row(number, raw[:MAX_ROW_BYTES], None, problem)


def _json_rows(lines: Iterator[bytes]) -> Iterator[Row]:
    number = -1
    for line in lines:
        raw = line.strip()
        if not raw:
            continue
        number += 1
        if len(line) > MAX_ROW_BYTES:
            yield _oversized(number, raw)
            continue
        try:
            columns = json.loads(raw, parse_float=Decimal, parse_constant=str)
        except (ValueError, RecursionError) as error:
            yield Row(number, raw, None, BadRecord(BadRecordCode.MALFORMED, "", f"not JSON: {error}"))
            continue
        if isinstance(columns, dict):
            yield Row(number, raw, columns)
        else:
            yield Row(number, raw, None, BadRecord(BadRecordCode.MALFORMED, "", "a JSON object is expected"))


class _Kept:
    """Text lines for the csv reader, and the bytes of those it has taken since the last row."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._taken: list[bytes] = []
        self._first = True

    def __iter__(self) -> "Iterator[str]":
        for line in self._lines:
            self._taken.append(line)
            # Bytes that are no UTF-8 are kept as they are and refused where a field of the event needs them.
            text = line.decode("utf-8-sig" if self._first else "utf-8", "surrogateescape")
            self._first = False
            yield text

    def take(self) -> bytes:
        taken, self._taken = self._taken, []
        return b"".join(taken)


def _csv_rows(lines: Iterator[bytes], delimiter: str, path: Path) -> Iterator[Row]:
    kept = _Kept(lines)
    reader = csv.reader(iter(kept), delimiter=delimiter)
    csv.field_size_limit(MAX_ROW_BYTES)
    try:
        header = next(reader)
    except (StopIteration, csv.Error):
        raise Misconfigured(MisconfiguredCode.SETTING, f"{path} has no header line that names its columns.") from None
    kept.take()
    number = -1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, kept.take().rstrip(b"\r\n"), None, BadRecord(BadRecordCode.MALFORMED, "", str(error)))
            continue
        raw = kept.take().rstrip(b"\r\n")
        if not cells:
            continue
        number += 1
        if len(raw) > MAX_ROW_BYTES:
            yield _oversized(number, raw)
        elif len(cells) != len(header):
            detail = f"{len(cells)} cells, the header names {len(header)}"
            yield Row(number, raw, None, BadRecord(BadRecordCode.MALFORMED, "", detail))
        else:
            yield Row(number, raw, dict(zip(header, cells, strict=True)))
