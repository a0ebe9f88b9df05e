"""One HTTP POST to an outsider: short, bounded, with our errors. What it answers is untrusted."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from bwc.errors import Unreachable, UsageError
from bwc.version import TOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, media type and at most as many bytes as were asked for."""

    status: int
    kind: str
    body: bytes


def post(url: str, body: bytes, kind: str, *, timeout: float, most: int) -> Answer:
    """POST `body` to `url`. Raises `Unreachable` when nothing comes back in time, or more than `most` bytes."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"{url} is no address", "like https://witness.example/")
    request = urllib.request.Request(  # noqa: S310  # the scheme was looked at
        url, body, {"Content-Type": kind, "User-Agent": TOOL}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            return _answer(response, url, most)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error, url, most)
    except (http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(f"{url} does not answer: {reason}", "it is asked again at the next act") from error


def _answer(response: http.client.HTTPResponse | urllib.error.HTTPError, url: str, most: int) -> Answer:
    data = response.read(most + 1)
    if len(data) > most:
        raise Unreachable(f"{url} answers with more than {most} bytes")
    return Answer(status=response.status or 0, kind=response.headers.get("Content-Type", ""), body=data)
