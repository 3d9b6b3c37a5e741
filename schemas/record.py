"""The base of everything that crosses a boundary: frozen, and published as JSON Schema."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A published shape. Readers ignore fields they do not know, so a shape may grow."""

    model_config = ConfigDict(frozen=True, extra="ignore")
