"""Runs scenarios: a real system, a load with a ledger, the disturbances in turn, then the oracle."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.local.supervisor import PartState
from pipeline.errors import Transient
from schemas.topics import RAW_EVENTS
from tests.chaos.lag_watch import LagWatch, longest_standstill_s, recoveries
from tests.chaos.latency import latency, published_totals
from tests.chaos.ledger import Ledger, LedgerEvent
from tests.chaos.load import Load
from tests.chaos.oracle import Findings, judge
from tests.chaos.report import Report
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.stored import stored
from tests.chaos.story import story
from tests.chaos.undisturbed import undisturbed_alerts
from tests.chaos.world import World
from tests.system import System, system

SESSION_S = "6"  # a frozen or partitioned worker's partitions go to the others after so long
READY_LIMIT_S, DRAIN_LIMIT_S, DRAIN_LIMIT_FULL_S = 90.0, 120.0, 3_600.0
RESTORED = '"event":"state restored"'
Say = Callable[[str], None]


@dataclass
class _Run:
    scenarios: Sequence[Scenario]
    full: bool
    seed: int
    say: Say
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def plan(self, scenario: Scenario) -> Plan:
        return scenario.full if self.full else scenario.short


def run(
    scenarios: Sequence[Scenario], *, directory: Path, full: bool = False, seed: int = 1, say: Say = lambda _: None
) -> Report:
    """Several share one system and one load: only such as need nothing special of either (`Scenario.shareable`)."""
    if len(scenarios) > 1:
        needy = [each.code for each in scenarios if not each.shareable]
        assert not needy, f"{', '.join(needy)} must run alone"
    this = _Run(scenarios, full, seed, say)
    started = time.monotonic()
    environment = {"PULSE_WORKER__SESSION_S": SESSION_S, **scenarios[0].environment}
    say("starting a broker and ClickHouse")
    with system(directory, environment) as running:
        ledger = Ledger(directory / "ledger.ndjson")
        worlds = [
            World(running, directory, ledger, this.plan(each), random.Random(seed), say, full) for each in scenarios
        ]
        try:
            if scenarios[0].prepare is not None:
                scenarios[0].prepare(worlds[0], worlds[0].plan)
            with LagWatch(running.settings) as watch:  # of the system as prepared: its addresses may be others
                for world in worlds:
                    world.samples = watch.samples
                _live(this, running, worlds)
                _come_to_rest(this, running)
            report = _examine(this, running, worlds, watch, time.monotonic() - started)
        finally:
            for world in worlds:
                world.close()
            ledger.close()
    return report


def findings_of(running: System, ledger: Ledger, say: Say = lambda _: None) -> Findings:
    """What the oracle says now."""
    expected = undisturbed_alerts(running.settings, say=say)
    say("comparing what is stored with the ledger")
    return judge(ledger, stored(running.settings), expected)


def _live(this: _Run, running: System, worlds: Sequence[World]) -> None:
    first = this.scenarios[0]
    names = running.workers(first.workers)
    if first.sink:
        running.start("sink", "sink")
    _until_restored(running, names)
    for number, (scenario, world, events) in enumerate(zip(this.scenarios, worlds, _loads(this), strict=True)):
        if number:
            _come_to_rest(this, running)  # what a scenario is blamed for is its own
        this.say(f"{scenario.code}: {world.plan.per_s:,.0f} events a second for {world.plan.seconds:,.0f} s")
        load = Load(
            running.kafka.address,
            events,
            per_s=world.plan.per_s,
            ledger=world.ledger,
            allowed=lambda world=world: world.allowed,  # type: ignore[misc]
        )
        world.load_over = lambda load=load: load.over  # type: ignore[misc]
        load.start()
        world.began_s = time.monotonic()
        try:
            scenario.disturb(world, world.plan)
        except AssertionError as failure:
            this.wrong.append(f"{scenario.code}: {failure}")
        if load.over and load.took_s < world.plan.seconds * 0.9:
            this.wrong.append(f"{scenario.code}: the load was over after {load.took_s:.0f} s")
        load.join(this.say)
    if not first.sink:
        running.start("sink", "sink")


def _loads(this: _Run) -> Iterator[Iterable[LedgerEvent]]:
    """The events of each scenario. Those without their own share one story, which ends with the last of them."""
    if this.scenarios[0].events is not None:
        yield this.scenarios[0].events(this.plan(this.scenarios[0]))
        return
    counts = [this.plan(each).events for each in this.scenarios]
    whole = story(sum(counts), this.seed)
    for number, count in enumerate(counts):
        yield whole if number == len(counts) - 1 else _own_events(whole, count)


def _own_events(whole: Iterator[LedgerEvent], count: int) -> Iterator[LedgerEvent]:
    """So many own events, and what comes between them."""
    while count > 0:
        for event in islice(whole, 1):
            yield event
            count -= event.topic == RAW_EVENTS and event.value is not None


def _until_restored(running: System, names: Sequence[str]) -> None:
    end_s = time.monotonic() + READY_LIMIT_S
    while not all(RESTORED in running.log(name) for name in names):
        assert time.monotonic() < end_s, "\n".join(running.log(name)[-1500:] for name in names)
        time.sleep(0.1)


def _come_to_rest(this: _Run, running: System) -> None:
    this.say("waiting until everything is counted, judged and stored")
    began_s = time.monotonic()
    try:
        running.drain(DRAIN_LIMIT_FULL_S if this.full else DRAIN_LIMIT_S)
    except AssertionError as failure:
        this.wrong.append(str(failure))
    this.figures["drained after s"] = round(time.monotonic() - began_s, 1)


def _examine(this: _Run, running: System, worlds: Sequence[World], watch: LagWatch, seconds: float) -> Report:
    ledger = worlds[0].ledger
    wrong = this.wrong
    findings, verified = None, {}
    try:
        findings = findings_of(running, ledger, this.say)
        this.say("pulse verify")
        verified = running.verify()
    except (AssertionError, Transient) as failure:
        wrong.append(f"the oracle could not look: {failure}")
    if ledger.acked != ledger.handed_over or ledger.refused:
        wrong.append(f"{ledger.handed_over - ledger.acked} records were never acknowledged {ledger.refused[:3]}")
    broken = [part.name for part in running.supervisor.status() if part.state is PartState.MISCONFIGURED]
    if broken:
        wrong.append(f"ended for good: {', '.join(broken)}")
    bugs = [name for name in running.started if "Traceback (most recent call last)" in running.log(name)]
    if bugs:
        this.figures["tracebacks in the logs of"] = ", ".join(bugs)
    for scenario, world in zip(this.scenarios, worlds, strict=True):
        if scenario.check is not None:
            this.say(f"{scenario.code}: its own checks")
            wrong += [f"{scenario.code}: {sentence}" for sentence in scenario.check(world)]
        this.figures |= world.figures
    faults = [fault for world in worlds for fault in world.faults]
    return Report(
        codes=tuple(each.code for each in this.scenarios),
        titles=tuple(each.title for each in this.scenarios),
        full=this.full,
        seed=this.seed,
        seconds=round(seconds, 1),
        sent=ledger.acked,
        faults=len(faults),
        findings=findings,
        verified=verified,
        wrong=tuple(wrong),
        recoveries=tuple(recoveries(faults, watch.samples, per_s=max(world.plan.per_s for world in worlds))),
        standstill_s=longest_standstill_s(watch.samples),
        latency=latency(
            ledger, published_totals(running.kafka.address, running.settings.partitions), sent=ledger.acked
        ),
        restarts={part.name: part.restarts for part in running.supervisor.status() if part.restarts},
        figures=this.figures,
    )
