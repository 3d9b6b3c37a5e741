"""Files to statements."""

from pathlib import Path

from connectors.clickhouse.migrations import Migration, migrations


def test_statements_end_at_a_semicolon_at_the_end_of_a_line() -> None:
    migration = Migration(
        1, "0001_x", "-- about; it\nCREATE TABLE a (x String DEFAULT ';-');\n\nSELECT 2 ;  \n-- end\n"
    )
    assert [text.splitlines()[-1].strip() for text in migration.statements] == [
        "CREATE TABLE a (x String DEFAULT ';-')",
        "SELECT 2",
    ]


def test_files_come_in_the_order_of_their_numbers_and_change_their_checksum_with_their_text(tmp_path: Path) -> None:
    (tmp_path / "0010_b.sql").write_text("SELECT 1;\n")
    (tmp_path / "0002_a.sql").write_text("SELECT 1;\n")
    (tmp_path / "notes.txt").write_text("none")
    found = migrations(tmp_path)
    assert [(one.number, one.name) for one in found] == [(2, "0002_a"), (10, "0010_b")]
    before = found[0].sha256
    (tmp_path / "0002_a.sql").write_text("SELECT 2;\n")
    assert migrations(tmp_path)[0].sha256 != before
