"""A setting that nothing reads is a promise that is not kept."""

import re

from connectors.settings import Settings, setting_fields
from tests.contract.generated import ROOT

DECLARED = {"setting_sections.py", "setting_refusals.py", "settings.py"}
# Read by a method of the settings themselves, which the code calls.
BY_METHOD = {"projects": "project_of", "default_project": "project_of"}


def patterns() -> dict[str, tuple[str, str]]:
    """Setting -> the class a file must name for the second form, and how the setting is read."""
    found: dict[str, tuple[str, str]] = {}
    for name in setting_fields():
        section, _, key = name.rpartition(".")
        read_as = BY_METHOD.get(key, key)
        kind = Settings.model_fields[section].annotation if section else Settings
        found[name] = (getattr(kind, "__name__", ""), read_as)
    return found


def test_every_setting_is_read_somewhere() -> None:
    texts = [
        path.read_text()
        for package in ("connectors", "agents")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in DECLARED
    ]
    unread = []
    for name, (kind, read_as) in patterns().items():
        section = name.rpartition(".")[0] or "settings"
        whole = re.compile(rf"\b{section}\.{read_as}\b")  # settings.worker.flush_s, worker.flush_s
        part = re.compile(rf"settings\.{read_as}\b")  # where a part was handed its section alone
        if not any(whole.search(text) or (kind in text and part.search(text)) for text in texts):
            unread.append(name)
    assert unread == []
