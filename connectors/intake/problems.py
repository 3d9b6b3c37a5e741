"""Refusals of the intake as problem details (RFC 9457): what is wrong, where, and never a stack trace."""

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, Field

PROBLEM_TYPE = "application/problem+json"


class RejectedEvent(BaseModel):
    """One event of a request that was not taken. `index`: its place in the request, from 0."""

    index: int
    code: str
    field: str = Field(description='Name of the field that is wrong; "" for the whole event.')
    detail: str


class Taken(BaseModel):
    """Every accepted event is on the broker, acknowledged; the rejected ones are stored nowhere."""

    accepted: int
    rejected: list[RejectedEvent]


class ProblemDetails(BaseModel):
    """RFC 9457, with the code and the field beside it, and every event when events are what is wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str = ""
    field: str = ""
    rejected: list[RejectedEvent] = []


class RefusedRequest(Exception):
    """A request as a whole is not answered with success."""

    def __init__(self, status: int, detail: str, *, code: str = "", retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.code, self.retry_after_s = status, detail, code, retry_after_s

    def response(self) -> Response:
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return problem(self.status, self.detail, code=self.code, headers=headers)


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    field: str = "",
    rejected: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "field": field,
    }
    if rejected is not None:
        body["rejected"] = rejected
    return Response(orjson.dumps(body), status, headers, PROBLEM_TYPE)
