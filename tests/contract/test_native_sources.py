"""The C part is built anew whenever one of its files has changed: the build knows them all."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "pipeline" / "native_c"


def test_the_build_names_every_header_in_the_order_of_the_module() -> None:
    (module,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    included = re.findall(r'^#include "(\w+\.h)"$', (FOLDER / "module.c").read_text(), flags=re.M)
    assert module["depends"] == [f"pipeline/native_c/{name}" for name in included]
    assert sorted(included) == sorted(path.name for path in FOLDER.glob("*.h"))
