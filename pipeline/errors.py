"""What a failure means for the record in hand. The class says what the shell does next."""


class PipelineError(Exception):
    """Root; never raised itself. `code` is a metric label, out of a closed set (`pipeline.codes`)."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = str(code)
        self.detail = detail


class BadRecord(PipelineError):
    """This record can never succeed: dead-letter it, acknowledge, go on. `field` names what is wrong."""

    def __init__(self, code: str, field: str = "", detail: str = "") -> None:
        # Not by way of the root, which makes a text: a poisoned stream has many of these, and nobody reads it.
        self.code, self.field, self.reason = str(code), field, detail
        self.detail = f"{field}: {detail}" if field and detail else field or detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class Transient(PipelineError):
    """The same call may succeed later: back off, retry in place, acknowledge nothing."""

    def __init__(self, code: str, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class Misconfigured(PipelineError):
    """No retry helps until a person acts: stop, exit 78. `detail` is a sentence that says what to do."""
