"""`POST /v1/events` and what an operator asks: one FastAPI application over an `RecordStream`."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from connectors import telemetry
from connectors.intake.bodies import BodyReader, events_of
from connectors.intake.problems import PROBLEM_TYPE, ProblemDetails, RefusedRequest, Taken, problem
from connectors.record_stream import RecordStream
from connectors.settings import IntakeSettings
from pipeline import events
from pipeline.codes import BadRecordCode, Stage
from pipeline.errors import BadRecord, Transient
from pipeline.unknown_fields import UnknownFields
from schemas.event import Event

ACK_WAIT_S = 10.0
RETRY_AFTER_S = 5
JSON = "application/json"
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
log = telemetry.log(__name__)
Outgoing = tuple[bytes, bytes, int]


def create_app(
    settings: IntakeSettings, stream: RecordStream, now_ms: Callable[[], int], *, ack_wait_s: float = ACK_WAIT_S
) -> FastAPI:
    """`now_ms` is the time of receipt, Unix ms: the Kafka timestamp of what is taken."""
    app = FastAPI(title="Campaign Pulse event intake", version="1", docs_url=None, redoc_url=None)
    reader = BodyReader(settings.max_body_bytes)
    unknown = UnknownFields(Event.model_fields)

    @app.post("/v1/events", status_code=202, responses=_RESPONSES, openapi_extra=_REQUEST_BODY)
    async def post_events(request: Request) -> Response:
        """Take one event, an array, or one a line (NDJSON), gzip or plain; answered when all are on the broker.

        A second copy of an event id changes nothing, so what was answered with 503, or not at all, is sent again.
        """
        try:
            body = await reader.read(request)
            lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() in LINES
            good, rejected = _sorted(events_of(body, lines=lines), now_ms(), settings.max_event_bytes)
            for _, value, _ in good:
                for name in unknown.new_in(value):
                    telemetry.unknown_field(Stage.INTAKE, name)
            await _take(stream, good, ack_wait_s)
        except RefusedRequest as refused:
            return refused.response()
        _count(len(good), rejected)
        if rejected and not good:
            first = rejected[0]
            return problem(422, first["detail"], code=first["code"], field=first["field"], rejected=rejected)
        return Response(orjson.dumps({"accepted": len(good), "rejected": rejected}), 202, media_type=JSON)

    _add_operations(app)
    _add_problems(app)
    return app


def _sorted(values: list[bytes], received_ms: int, max_bytes: int) -> tuple[list[Outgoing], list[dict[str, Any]]]:
    good: list[Outgoing] = []
    rejected: list[dict[str, Any]] = []
    for index, value in enumerate(values):
        try:
            good.append((_key_of(value, received_ms, max_bytes), value, received_ms))
        except BadRecord as bad:
            rejected.append({"index": index, "code": bad.code, "field": bad.field, "detail": bad.reason})
    return good, rejected


def _key_of(value: bytes, received_ms: int, max_bytes: int) -> bytes:
    """Of an event that is good in every respect. Raises BadRecord."""
    if len(value) > max_bytes:
        raise BadRecord(BadRecordCode.OVERSIZED, "", f"{len(value)} bytes; an event may have {max_bytes}")
    return events.key_of(events.read(value, received_ms))


async def _take(stream: RecordStream, good: list[Outgoing], ack_wait_s: float) -> None:
    if not good:
        return
    try:
        async with asyncio.timeout(ack_wait_s):
            await stream.send(good)
    except (TimeoutError, Transient):
        raise RefusedRequest(
            503,
            "the broker did not acknowledge; send the same events again, their ids make that harmless",
            retry_after_s=RETRY_AFTER_S,
        ) from None


def _count(accepted: int, rejected: list[dict[str, Any]]) -> None:
    """Only what has been decided: what was answered with 503 comes again."""
    telemetry.received(Stage.INTAKE, accepted + len(rejected))
    if accepted:
        telemetry.emitted(Stage.INTAKE, accepted)
    for one in rejected:
        telemetry.dead_lettered(Stage.INTAKE, one["code"])


def _add_operations(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return Response(telemetry.health.as_json(), media_type=JSON)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return Response(telemetry.health.as_json(), 200 if telemetry.health.ready else 503, media_type=JSON)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(telemetry.REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST})


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def http_problem(request: Request, error: HTTPException) -> Response:
        detail = f"{request.method} {request.url.path}: {error.detail}; events are posted to /v1/events"
        return problem(error.status_code, detail, headers=dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return problem(400, "the connection ended before the body did")

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> Response:
        log.error("request failed", exc_info=error)
        return problem(500, "this is a bug of the intake; nothing was acknowledged")


_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"model": Taken, "description": "The good events are on the broker; the others are named."},
    **{
        status: {"model": ProblemDetails, "description": text, "content": {PROBLEM_TYPE: {}}}
        for status, text in {
            400: "The body cannot be cut into events.",
            413: "The body or the number of events is too large.",
            415: "An unknown content-encoding.",
            422: "No event was good; each is named with its field.",
            503: "The broker is away; send the same again.",
        }.items()
    },
}
_EVENT = Event.model_json_schema()
_REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT, "maxItems": 10_000}]}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One event a line."}},
        },
    }
}
