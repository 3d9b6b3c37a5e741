"""The default rules as they are shipped."""

from pathlib import Path

DEFAULT_RULES = (Path(__file__).resolve().parent.parent / "infra" / "rules" / "default.toml").read_text()
