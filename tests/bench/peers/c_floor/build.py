"""Compiles `floor.c` against the librdkafka that the wheel of confluent-kafka brings; no headers are needed."""

import os
import subprocess
from pathlib import Path

import confluent_kafka

bundled = sorted((Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka*.so*"))
if not bundled:
    raise SystemExit("the wheel of confluent-kafka brings no librdkafka here")
target = Path(os.environ["BENCH_CACHE"]) / "floor"
compiled = subprocess.run(
    [
        "gcc",
        "-O3",
        "-march=native",
        "-Wall",
        "-Werror",
        f'-DLIBRDKAFKA="{bundled[0]}"',
        "floor.c",
        "-o",
        target,
        "-ldl",
    ],
    check=False,
)
raise SystemExit(compiled.returncode)
