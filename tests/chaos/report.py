"""What a run came to: one object for machines, and the same in words."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.lag_watch import Recovery
from tests.chaos.latency import Latency
from tests.chaos.oracle import Damage, Findings


@dataclass(frozen=True, slots=True)
class Report:
    """`wrong`: sentences of the scenarios' own checks and of the run itself. `verified`: what `pulse verify` says."""

    codes: tuple[str, ...]
    titles: tuple[str, ...]
    full: bool
    seed: int
    seconds: float
    sent: int
    faults: int
    findings: Findings | None
    verified: dict[str, Any] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    standstill_s: float = 0.0
    latency: Latency | None = None
    restarts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.verdicts

    @property
    def verdicts(self) -> list[str]:
        """Everything that is wrong, a sentence each; empty when the run has passed."""
        found = list(self.wrong)
        if self.findings is not None:
            found += _verdicts(self.findings)
        elif not found:
            found.append("the oracle could not look")
        if self.verified and not self.verified["ok"]:
            figures = ", ".join(f"{name} {self.verified[name]}" for name in ("lost", "duplicated", "drift_micros"))
            found.append(f"pulse verify disagrees: {figures}")
        return found

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok, "verdicts": self.verdicts}

    def words(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for code, title in zip(self.codes, self.titles, strict=True):
            yield f"{code}: {title}"
        yield (
            f"{'full' if self.full else 'short'} form, seed {self.seed}, {self.seconds:.0f} s: {self.sent:,} records "
            f"acknowledged, {self.faults} faults"
        )
        if self.restarts:
            yield "restarts: " + ", ".join(f"{name} {times}" for name, times in sorted(self.restarts.items()))
        if self.findings is not None:
            yield _found(self.findings)
        took = [each.seconds for each in self.recoveries if each.seconds is not None]
        if took:
            yield (
                f"caught up after {len(took)} of {len(self.recoveries)} faults before the next, at most "
                f"{max(took):.1f} s after; longest standstill {self.standstill_s:.1f} s"
            )
        if self.latency is not None and self.latency.probes:
            each = self.latency
            yield (
                f"event to published total: p50 {each.p50_ms:,.0f} ms, p99 {each.p99_ms:,.0f} ms, longest "
                f"{each.max_ms:,.0f} ms ({each.probes:,} events)"
            )
        for name, value in self.figures.items():
            yield f"{name}: {value}"
        yield "passed" if self.ok else "FAILED"
        for sentence in self.verdicts:
            yield f"  - {sentence}"


def _found(findings: Findings) -> str:
    return (
        f"lost {findings.lost.count}, duplicated {findings.duplicated.count}, drift {findings.drift_micros} micros in "
        f"{findings.windows:,} windows, alert difference "
        f"{findings.alerts_missing.count + findings.alerts_extra.count} of {findings.alerts}"
    )


def _verdicts(findings: Findings) -> list[str]:
    cases: Sequence[tuple[Damage, str]] = (
        (findings.lost, "acknowledged records are lost"),
        (findings.duplicated, "raw records are stored too often"),
        (findings.too_low, "windows are too low in some figure"),
        (findings.too_high, "windows are too high in some figure"),
        (findings.alerts_missing, "alerts of an undisturbed run are missing"),
        (findings.alerts_extra, "alerts are there that an undisturbed run does not make"),
    )
    found = [f"{damage.count} {what}: {'; '.join(damage.named)}" for damage, what in cases if damage.count]
    if findings.drift_micros or findings.drift_other:
        found.append(f"drift: {findings.drift_micros} micros of spend, {findings.drift_other} of other figures")
    return found
