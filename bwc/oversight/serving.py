"""A witness over HTTP, with what Python brings: small requests, short waits, few at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread

from bwc.canonical import is_sha256_hex
from bwc.errors import BwcError, NotFound, UsageError
from bwc.oversight.witness import MOST_BODY_BYTES, Answer, Witness
from bwc.version import TOOL

_AT_ONCE = 32
_WAIT_S = 10.0
_READ_AWAY_BYTES = 16 << 20


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT`. Raises `UsageError`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{text!r} is no address to listen on", "like 127.0.0.1:7380")
    return host.strip("[]"), int(port)


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness. POST …/add-checkpoint (tlog-witness); GET …/checkpoint/<sha256 of origin>, …/vkey."""

    daemon_threads = True

    def __init__(self, witness: Witness, listen: tuple[str, int], say: Callable[[str], None] = lambda _: None) -> None:
        """`say` hears one line a request."""
        self.witness = witness
        self.say = say
        self.places = BoundedSemaphore(_AT_ONCE)
        super().__init__(listen, _Handler)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve in another thread; the address."""
        thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self.url
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = TOOL.replace(" ", "/")
    sys_version = ""
    timeout = _WAIT_S
    server: WitnessServer

    def do_POST(self) -> None:  # the name http.server calls
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or "Transfer-Encoding" in self.headers:
            self._answer(Answer(411, b"say Content-Length\n"), close=True)
        elif int(length) > MOST_BODY_BYTES:
            self._answer(Answer(413, b"too long\n"), close=True)
            self._read_away(int(length))
        elif not self.path.endswith("/add-checkpoint"):
            self._answer(Answer(404, b"POST /add-checkpoint\n"), close=True)
            self._read_away(int(length))
        else:
            body = self.rfile.read(int(length))
            self._answer(self._judged(lambda: self.server.witness.add_checkpoint(body)))

    def do_GET(self) -> None:
        *_, word, last = ("", *self.path.split("/"))
        if last == "vkey":
            self._answer(Answer(200, self.server.witness.key.text().encode() + b"\n"))
        elif word == "checkpoint" and is_sha256_hex(last):
            self._answer(self._judged(lambda: Answer(200, self.server.witness.latest(last))))
        else:
            self._answer(
                Answer(404, b"a tlog-witness: POST /add-checkpoint, GET /vkey, /checkpoint/SHA256-OF-ORIGIN\n")
            )

    def _read_away(self, length: int) -> None:
        """Who is still sending when the connection closes gets a reset and never reads the answer (RFC 9112, 9.6)."""
        left = min(length, _READ_AWAY_BYTES)
        with suppress(OSError):
            while left and (found := self.rfile.read(min(left, 65_536))):
                left -= len(found)

    def _judged(self, act: Callable[[], Answer]) -> Answer:
        if not self.server.places.acquire(timeout=_WAIT_S):
            return Answer(503, b"too many at once\n")
        try:
            return act()
        except NotFound as error:
            return Answer(404, error.message.encode() + b"\n")
        except (BwcError, OSError) as error:  # its own folder is damaged, or its disk full: it must not cosign
            self.server.say(f"error: {error}")
            return Answer(500, b"this witness cannot cosign now\n")
        finally:
            self.server.places.release()

    def _answer(self, answer: Answer, *, close: bool = False) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        line = (format % args).encode("ascii", "backslashreplace").decode()
        self.server.say(f"{self.address_string()} {line}")
