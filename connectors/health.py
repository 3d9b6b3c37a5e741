"""Whether this process is well, and the small HTTP server that says so: /metrics, /healthz, /readyz.

The server is a thread of its own, so that a process whose event loop hangs still answers (and is seen to be late).
"""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    detail: str = ""
    required: bool = True  # not ready without it; else only shown


class Health:
    """Name -> how that part is. Written by the parts, read by the server's threads."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._lock = threading.Lock()

    def expect(self, name: str, detail: str = "") -> None:
        """The process is not ready until `set(name, ok=True)`."""
        with self._lock:
            self._checks[name] = Check(ok=False, detail=detail)

    def set(self, name: str, *, ok: bool, detail: str = "", required: bool = True) -> None:
        with self._lock:
            self._checks[name] = Check(ok=ok, detail=detail, required=required)

    def clear(self) -> None:
        with self._lock:
            self._checks.clear()

    def checks(self) -> dict[str, Check]:
        with self._lock:
            return dict(self._checks)

    @property
    def ready(self) -> bool:
        return all(check.ok for check in self.checks().values() if check.required)

    def as_json(self) -> bytes:
        """`{"ready": bool, "checks": {name: {"ok": bool, "detail": str}}}`"""
        checks = {name: {"ok": check.ok, "detail": check.detail} for name, check in self.checks().items()}
        return orjson.dumps({"ready": self.ready, "checks": checks})


def serve(health: Health, registry: CollectorRegistry, port: int, host: str = "127.0.0.1") -> int:
    """Listens until the process ends. Returns the port (a free one for 0).

    /healthz answers 200 while the process lives; /readyz 200 or 503 with the checks; /metrics in Prometheus's format.
    Raises Misconfigured(PORT_IN_USE).
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                case "/healthz":
                    self._answer(200, "application/json", health.as_json())
                case "/readyz":
                    self._answer(200 if health.ready else 503, "application/json", health.as_json())
                case _:
                    self._answer(404, "application/json", b'{"paths":["/metrics","/healthz","/readyz"]}')

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape is not news."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise Misconfigured(
            MisconfiguredCode.PORT_IN_USE, f"Port {port} on {host} cannot be listened on ({error}); set another one."
        ) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_address[1])
