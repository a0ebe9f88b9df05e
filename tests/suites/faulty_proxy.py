"""A TCP proxy that does harm: closes in the middle of a part, answers 500, goes slow, or changes bytes."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Harm:
    """What to do to the next connections; each kind is used up."""

    close_after: list[int] = field(default_factory=list)  # bytes of a request to pass on before closing
    answer_500: int = 0  # requests to answer so instead of passing them on
    flip_after: list[int] = field(default_factory=list)  # change the byte at this place of a connection's requests
    hang: int = 0  # connections never to answer
    close_answer_after: list[int] = field(default_factory=list)  # bytes of an answer to pass back before closing
    refuse: bool = False  # close every connection at once, as long as this is set
    only: bytes = b"PUT "  # what a harmed connection's first request begins with
    passed: list[bytes] = field(default_factory=list)  # first lines of the requests of that kind that were passed on


class FaultyProxy:
    """Between a client and `port` on this machine."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.harm = Harm()
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if self.harm.refuse:
                return
            first = client.recv(65536)
            if not first:
                return
            if first.startswith(self.harm.only):
                if self.harm.answer_500:
                    self.harm.answer_500 -= 1
                    self._drain(client)
                    client.sendall(
                        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    return
                if self.harm.hang:
                    self.harm.hang -= 1
                    self._drain(client)
                    threading.Event().wait(30)
                    return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                close_after = flip_after = None
                done = 0
                for data in _chunks(first, client):
                    if data.startswith(self.harm.only):  # a client waits for its answer, so requests begin a chunk
                        self.harm.passed.append(data.split(b"\r\n", 1)[0])
                        done = 0
                        close_after = self.harm.close_after.pop() if self.harm.close_after else None
                        flip_after = self.harm.flip_after.pop() if self.harm.flip_after else None
                    if close_after is not None and done + len(data) > close_after:
                        server.sendall(data[: close_after - done])
                        return
                    if flip_after is not None and done <= flip_after < done + len(data):
                        changed = bytearray(data)
                        changed[flip_after - done] ^= 1
                        data = bytes(changed)
                    server.sendall(data)
                    done += len(data)
                server.shutdown(socket.SHUT_WR)
                back.join(timeout=60)

    def _pump(self, server: socket.socket, client: socket.socket) -> None:
        """Pass answers back."""
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                most = self.harm.close_answer_after[0] if self.harm.close_answer_after else None
                if most is not None and most < len(data):
                    self.harm.close_answer_after.pop()
                    client.sendall(data[:most])
                    break
                if most is not None:
                    self.harm.close_answer_after[0] -= len(data)
                client.sendall(data)
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _drain(client: socket.socket) -> None:
        client.settimeout(0.3)
        with contextlib.suppress(OSError):
            while client.recv(1 << 20):
                pass
        client.settimeout(None)


def _chunks(first: bytes, client: socket.socket) -> Iterator[bytes]:
    yield first
    while data := client.recv(1 << 20):
        yield data
