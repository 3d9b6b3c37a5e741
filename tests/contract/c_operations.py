"""What the part in C does, counted: executions of its lines, as the compiler's own coverage counts them (gcov).

The same on every machine with the same compiler, at any load. The work is that of `core_operations`, in a process of
its own over a build without optimisation; what functions of libc and of Python do inside is not seen.
"""

import ctypes
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "pipeline" / "native_c" / "module.c"
# Only from inside the library can its counters be set to nothing and written.
SHIM = """
void __gcov_reset(void);
void __gcov_dump(void);
void count_from_here(void) { __gcov_reset(); }
void count_to_here(void) { __gcov_dump(); }
"""


def compiler() -> str:
    """Its name and major version, "" where there is none that counts, or nothing of Python's to compile against."""
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not (shutil.which("gcc") and shutil.which("gcov") and header.exists()):
        return ""
    said = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return f"gcc {said.split('.')[0].strip()}"


def build(folder: Path, module: Path = MODULE) -> Path:
    """The library, counting."""
    (folder / "counting.c").write_text(f'#include "{module}"\n{SHIM}')
    library = folder / "native.so"
    include = sysconfig.get_paths()["include"]
    compiling = ["gcc", "-O0", "--coverage", "-fPIC", f"-I{include}", "-c", "counting.c", "-o", "counting.o"]
    for command in (compiling, ["gcc", "--coverage", "-shared", "counting.o", "-o", library.name]):
        subprocess.run(command, cwd=folder, check=True)
    return library


def executed(folder: Path) -> int:
    """Lines of ours executed between the two calls of the shim; headers of the compiler differ between compilers."""
    ours = {path.name for path in MODULE.parent.iterdir()}
    said = subprocess.run(
        ["gcov", "--stdout", "--json-format", "counting.gcda"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    files = [file for file in json.loads(said)["files"] if Path(file["file"]).name in ours]
    return sum(line["count"] for file in files for line in file["lines"])


def figure(work: str, library: Path) -> float:
    """Lines of C per unit."""
    folder = library.parent
    (folder / "counting.gcda").unlink(missing_ok=True)
    run = [sys.executable, "-m", "tests.contract.c_operations", work, str(library)]
    units = int(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    return round(executed(folder) / units, 2)


def figures() -> dict[str, float]:
    """Of every work, {} where there is no compiler that counts."""
    if not compiler():
        return {}
    with tempfile.TemporaryDirectory(prefix="counting-") as folder:
        library = build(Path(folder))
        return {work: figure(work, library) for work in WORKS}


# -- in the process that is counted: nothing of ours is imported before `use` -----------------------------------------

Counted = tuple[Callable[[], object], int]  # the work, and of how many units it is


def use(library: Path) -> SimpleNamespace:
    """Make it `pipeline.native`, before anything has imported that."""
    spec = spec_from_file_location("pipeline.native", library)
    if spec is None or spec.loader is None:
        raise ImportError(f"{library} is no module")
    native = module_from_spec(spec)
    spec.loader.exec_module(native)
    sys.modules["pipeline.native"] = native
    counters = ctypes.PyDLL(str(library))
    return SimpleNamespace(reset=counters.count_from_here, write=counters.count_to_here)


def _event() -> Counted:
    from tests.contract import core_operations as core

    return core.WORKS["event_in_c"]()


def _event_new_row() -> Counted:
    from tests.contract import core_operations as core

    return core.WORKS["event_new_row_in_c"]()


def _flush_row() -> Counted:
    """From panes to the bytes of totals, changelog and record batches; a unit is a changelog row."""
    from agents.record_batches import LZ4, Form, written
    from pipeline.changelog import Changelog
    from pipeline.counted import CountedState
    from pipeline.outputs import BATCH_BYTES, runs_of
    from schemas.topics import RAW_EVENTS
    from tests.contract import core_operations as core

    state, twin, changelog = CountedState(RAW_EVENTS, 0), CountedState(RAW_EVENTS, 0), Changelog(b"assignment")
    for one in (state, twin):
        one.count(core._events(core.EVENTS, core.CAMPAIGNS))

    def flush() -> None:
        change = state.take()
        for _, pairs in runs_of(change.outputs):
            list(written(pairs, Form(BATCH_BYTES, LZ4)))
        list(written(changelog.write(change.rows), Form(BATCH_BYTES, LZ4)))

    return flush, len(twin.take().rows)


def _restored_row() -> Counted:
    from pipeline.changelog import Changelog
    from pipeline.counted import CountedState
    from schemas.topics import RAW_EVENTS
    from tests.contract import core_operations as core
    from tests.partition import Rec

    state = CountedState(RAW_EVENTS, 0)
    state.count(core._events(core.EVENTS, core.CAMPAIGNS))
    log = [Rec(0, 0, key, value) for key, value in Changelog(b"before").write(state.take().rows)]
    return (lambda: Changelog(b"after").read(log)), len(log)


def _fetched_event() -> Counted:
    """From the bytes of small batches to records."""
    from aiokafka.record.default_records import DefaultRecordBatchBuilder

    from pipeline.per_record import native
    from tests.contract import core_operations as core

    records, data, each = core._events(core.ROWS, core.CAMPAIGNS), b"", 5
    for first in range(0, len(records), each):
        builder = DefaultRecordBatchBuilder(2, 3, 0, -1, -1, -1, 1 << 20)
        for number, record in enumerate(records[first : first + each]):
            builder.append(number, record.timestamp, record.key, record.value, [])
        batch = builder.build()
        batch[:8] = first.to_bytes(8, "big")
        data += bytes(batch)
    return (lambda: native.WireRecords(native.plain_batches(data, 0, 0, 1 << 30)[0])), len(records)


WORKS: Mapping[str, Callable[[], Counted]] = {
    "c_event": _event,
    "c_event_new_row": _event_new_row,
    "c_flush_row": _flush_row,
    "c_restored_row": _restored_row,
    "c_fetched_event": _fetched_event,
}


def main() -> None:
    """argv: a work, the library."""
    counters = use(Path(sys.argv[2]))
    run, units = WORKS[sys.argv[1]]()
    counters.reset()
    run()
    counters.write()
    sys.stdout.write(f"{units}\n")


if __name__ == "__main__":
    main()
