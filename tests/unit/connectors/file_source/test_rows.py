"""Rows out of files as they are found: quoted, broken, packed, cut off."""

import gzip
from pathlib import Path

import pytest

from connectors.file_source.rows import MAX_ROW_BYTES, Row, RowFile, format_of, stem_of
from pipeline.errors import Misconfigured


def read(tmp_path: Path, name: str, content: bytes) -> list[Row]:
    path = tmp_path / name
    path.write_bytes(content)
    return list(RowFile(path).rows())


def test_a_csv_row_has_its_columns_by_name_and_its_own_bytes(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.csv", b'id,text\r\n1,"a, ""b""\r\nc"\r\n\r\n2,\xc3\xa4\r\n')
    assert [(row.number, row.columns) for row in rows] == [
        (0, {"id": "1", "text": 'a, "b"\r\nc'}),
        (1, {"id": "2", "text": "ä"}),
    ]
    assert [row.raw for row in rows] == [b'1,"a, ""b""\r\nc"', b"2,\xc3\xa4"]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", b"\xef\xbb\xbfid\n1\n")[0].columns == {"id": "1"}


def test_a_csv_row_with_another_number_of_cells_is_malformed_and_the_next_is_read(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.csv", b"id,text\n1\n2,b\n")
    assert [row.problem.code if row.problem else "" for row in rows] == ["malformed", ""]
    assert rows[0].raw == b"1"


def test_a_quote_that_never_ends_costs_its_own_rows_and_not_the_memory(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.csv", b'id,text\n1,"open\n' + b"x,y\n" * 400_000)
    assert rows[0].problem is not None
    assert rows[0].problem.code == "malformed"
    assert rows[-1].columns == {"id": "x", "text": "y"}


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_row_that_is_too_long_is_oversized_and_the_next_is_read(tmp_path: Path, name: str) -> None:
    long = b"x" * (3 * MAX_ROW_BYTES)
    content = b"id,text\n1," + long + b"\n2,b\n" if name == "a.csv" else b'{"id":"' + long + b'"}\n{"id":"2"}\n'
    rows = read(tmp_path, name, content)
    assert [row.number for row in rows] == [0, 1]
    assert rows[0].problem is not None
    assert rows[0].problem.code in {"oversized", "malformed"}
    assert len(rows[0].raw) <= MAX_ROW_BYTES + 1
    assert rows[1].columns is not None
    assert rows[1].columns["id"] == "2"


def test_a_packed_line_without_an_end_is_given_up_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b"x" * (40 * MAX_ROW_BYTES) + b'\n{"a":1}\n'))
    asked: list[bool] = []

    def given_up() -> bool:
        asked.append(len(asked) == 3)
        return asked[-1]

    rows = list(RowFile(path).rows(given_up))
    assert [row.problem.code if row.problem else "" for row in rows] == ["oversized"]
    assert asked == [False, False, False, True]
    assert [row.number for row in RowFile(path).rows()] == [0, 1]


def test_json_lines_are_objects_or_refused_each_by_itself(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.ndjson", b'{"a":1}\n\nnothing\n[1]\n{"a":2}')
    assert [(row.number, row.problem.code if row.problem else row.columns) for row in rows] == [
        (0, {"a": 1}),
        (1, "malformed"),
        (2, "malformed"),
        (3, {"a": 2}),
    ]


def test_a_packed_file_is_known_by_its_content(tmp_path: Path) -> None:
    assert read(tmp_path, "a.ndjson", gzip.compress(b'{"a":1}\n'))[0].columns == {"a": 1}


def test_a_packed_file_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a":1}\n' * 1000)
    with pytest.raises(Misconfigured) as refused:
        read(tmp_path, "a.ndjson.gz", packed[:-20])
    assert "a.ndjson.gz" in refused.value.detail


def test_a_file_that_is_missing_or_has_no_header_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        list(RowFile(tmp_path / "none.csv").rows())
    with pytest.raises(Misconfigured):
        RowFile(tmp_path / "none.csv").digest()
    with pytest.raises(Misconfigured):
        read(tmp_path, "empty.csv", b"")


def test_the_name_says_what_a_file_holds() -> None:
    assert [format_of(Path(name)) for name in ("a.csv", "a.csv.gz", "a.ndjson", "a.jsonl.gz")] == [
        "csv",
        "csv",
        "ndjson",
        "ndjson",
    ]
    assert [stem_of(Path(name)) for name in ("x/a.csv.gz", "a.b.ndjson", "plain")] == ["a", "a.b", "plain"]
    with pytest.raises(Misconfigured):
        format_of(Path("a.xlsx"))


def test_how_far_a_file_is_read_goes_to_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"a":1}\n' * 10)
    file = RowFile(path)
    list(file.rows())
    assert file.position_bytes == file.size_bytes == path.stat().st_size
