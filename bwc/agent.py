"""The key agent: a background process that holds an operator's seeds and answers sign and unwrap on a UNIX socket.

So that not every command asks for a passphrase. It forgets after 30 minutes without use and after 12 hours in any
case; time asleep counts. Only processes of the same user are answered; the seeds never leave it.
Messages are canonical JSON after a 4-byte big-endian length, one question per connection: docs/formats/keys.md#agent.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bwc.canonical import Json, canonical, parse_canonical
from bwc.config import user_config_dir
from bwc.errors import BwcError, ConfigError, IntegrityError, KeyUnavailable, ProofInvalid, SealBroken
from bwc.evidence import KeyId
from bwc.identities import LocalOperator, PublicKey, Recipient, Wrapped, decode_binary, encode_binary
from bwc.tokenkey import TokenOperator

IDLE_S = 30 * 60.0
MOST_S = 12 * 3600.0
_MESSAGE_MOST_BYTES = 16 * 2**20
_ANSWER_S = 5.0
_UNLOCK = "bwc unlock"
_PEER = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_LENGTH = struct.Struct(">I")
_OUR_ERRORS: dict[str, type[BwcError]] = {
    kind.__name__: kind for kind in (IntegrityError, KeyUnavailable, ProofInvalid, SealBroken)
}


def socket_path() -> Path:
    """Where this user's agent listens: `$XDG_RUNTIME_DIR`, one per configuration folder, else in that folder."""
    home = user_config_dir()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime or not Path(runtime).is_dir():
        return home / "agent.sock"
    # several BWC_HOMEs of one user do not share an agent
    return Path(runtime) / f"bwc-agent-{hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:12]}.sock"


# --- the command's side ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOperator:
    """An operator whose seeds are in the agent. Every method raises `KeyUnavailable` once the agent is gone."""

    name: str
    verify_key: PublicKey
    recipient: Recipient
    path: Path

    @property
    def alg(self) -> str:
        return self.verify_key.alg

    @property
    def public(self) -> bytes:
        return self.verify_key.raw

    @property
    def key_id(self) -> KeyId:
        return self.verify_key.key_id

    @property
    def recipient_id(self) -> KeyId:
        return self.recipient.recipient_id

    def sign(self, message: bytes) -> bytes:
        """The signature, checked against the key: an agent swapped for another's is noticed here."""
        answer = _ask(self.path, {"act": "sign", "key": self.key_id, "message": encode_binary(message)})
        signature = decode_binary(answer.get("signature"))
        self.verify_key.verify(message, signature)
        return signature

    def unwrap(self, wrapped: Wrapped, info: bytes) -> bytes:
        question: dict[str, Json] = {"act": "unwrap", "info": encode_binary(info), "wrapped": wrapped.to_json()}
        return decode_binary(_ask(self.path, question).get("secret"))


def connect(path: Path | None = None) -> AgentOperator | None:
    """The operator the agent holds, or `None` if no agent answers."""
    path = path or socket_path()
    try:
        answer = _ask(path, {"act": "info"})
    except KeyUnavailable:
        return None
    return AgentOperator(
        name=str(answer.get("name")),
        verify_key=PublicKey.from_json(answer.get("verify_key")),
        recipient=Recipient.from_json(answer.get("recipient")),
        path=path,
    )


def start_agent(
    operator: LocalOperator | TokenOperator, *, path: Path | None = None, idle_s: float = IDLE_S, most_s: float = MOST_S
) -> None:
    """Start an agent that holds `operator`, in place of one that is running. It answers when this returns.

    Raises `ConfigError` when the socket's folder is not ours alone, `KeyUnavailable` when the agent does not start.
    """
    path = path or socket_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_folder(path.parent)
    with _start_lock(path):
        stop_agent(path)
        program = "import sys; sys.path.insert(0, sys.argv[1]); from bwc.agent import main; main(sys.argv[2:])"
        root = str(Path(__file__).resolve().parents[1])
        command = [sys.executable, "-P", "-c", program, root, str(path), str(idle_s), str(most_s)]
        # a fresh process: it inherits neither this one's memory, with the passphrase in it, nor its open files
        done = subprocess.run(
            command,
            input=canonical(_carried(operator)),
            capture_output=True,
            start_new_session=True,
            cwd="/",
            check=False,
        )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise KeyUnavailable(f"the key agent did not start: {last[0]}")


def stop_agent(path: Path | None = None) -> bool:
    """Have the agent forget its keys and end. Whether one was running."""
    path = path or socket_path()
    try:
        _ask(path, {"act": "lock"})
    except KeyUnavailable:
        return False
    return True


def peer_uid(peer: socket.socket) -> int:
    """The user of the process at the other end, by the kernel's word (Linux)."""
    return int(_PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1])


def _ask(path: Path, question: dict[str, Json]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(_ANSWER_S)
        try:
            with _address(path) as address:
                peer.connect(address)
            if peer_uid(peer) != os.geteuid():
                raise KeyUnavailable(f"the agent at {path} belongs to another user", _UNLOCK)
            _send(peer, question)
            answer = _receive(peer)
        except OSError:
            raise KeyUnavailable("no key agent answers", _UNLOCK) from None
    if "error" in answer:
        kind = _OUR_ERRORS.get(str(answer["error"]), KeyUnavailable)
        raise kind(str(answer.get("message")), str(answer.get("hint", "")))
    return answer


# --- the agent's side ------------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Started by `start_agent`, with the operator's keys on standard input.

    The first process ends with 0 once the agent, its child, listens.
    """
    path, idle_s, most_s = Path(arguments[0]), float(arguments[1]), float(arguments[2])
    _keep_memory_private()
    operator = _taken_over(parse_canonical(sys.stdin.buffer.read()))
    seat = Seat.take(path)
    if os.fork():
        os._exit(0)
    _keep_memory_private()  # memory locks are not inherited
    seat.listener.listen(16)  # again: the kernel names the process that listened last as the peer
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(seat, operator, idle_s=idle_s, most_s=most_s)
    finally:
        seat.leave()


def _carried(operator: LocalOperator | TokenOperator) -> dict[str, Json]:
    if isinstance(operator, TokenOperator):
        return {"pin": encode_binary(operator.pin), "token": operator.document()}
    seeds = encode_binary(operator.seeds())
    return {"alg": operator.alg, "name": operator.name, "seeds": seeds, "suite": operator.recipient.suite}


def _taken_over(value: Any) -> LocalOperator | TokenOperator:
    if "token" in value:
        # it asks nothing of the token yet: what a PKCS#11 library has opened does not survive the fork
        return TokenOperator.of_document(value["token"], decode_binary(value["pin"]))
    seeds = decode_binary(value["seeds"])
    return LocalOperator.of_seeds(value["name"], seeds, alg=value["alg"], suite=value["suite"])


@dataclass(frozen=True, slots=True)
class Seat:
    """A listening socket, and the name we gave it."""

    listener: socket.socket
    path: Path
    inode: int

    @classmethod
    def take(cls, path: Path) -> "Seat":
        """Listen at `path`, mode 0600. The start lock is held and no agent answers: what lies there is stale."""
        _check_folder(path.parent)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            with _address(path) as address:
                listener.bind(address)
        finally:
            os.umask(mask)
        listener.listen(16)
        return cls(listener, path, path.stat().st_ino)

    def remove_name(self) -> None:
        """Remove our name; one that another agent has bound since stays."""
        with contextlib.suppress(OSError):
            # while our listener is open its inode number is not given to another file
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()

    def leave(self) -> None:
        # a start under way removes the name itself
        with contextlib.suppress(BlockingIOError), _start_lock(self.path, wait=False):
            self.remove_name()
        self.listener.close()


def serve(
    seat: Seat,
    operator: LocalOperator | TokenOperator,
    *,
    idle_s: float,
    most_s: float,
    uid_of: Callable[[socket.socket], int] = peer_uid,
) -> None:
    """Answer until told to lock, `idle_s` seconds pass without use, or `most_s` seconds pass."""
    ends = _now() + most_s
    used = _now()
    while (left := min(ends, used + idle_s) - _now()) > 0:
        # no longer than a minute: time asleep ends no wait, but does count
        if not select.select([seat.listener], [], [], min(left, 60.0))[0] or min(ends, used + idle_s) <= _now():
            continue
        with contextlib.suppress(OSError), seat.listener.accept()[0] as peer:
            peer.settimeout(_ANSWER_S)
            if uid_of(peer) != os.geteuid():
                continue
            question = _receive(peer)
            act = question.get("act")
            if act == "lock":
                ends = _now()
                seat.remove_name()  # before the answer: after it the name may be a new agent's
            elif act in ("sign", "unwrap"):
                used = _now()
            _send(peer, _answer(operator, question))


def _answer(operator: LocalOperator | TokenOperator, question: dict[str, Any]) -> dict[str, Json]:
    try:
        match question.get("act"):
            case "info":
                return {
                    "name": operator.name,
                    "recipient": operator.recipient.to_json(),
                    "verify_key": operator.verify_key.to_json(),
                }
            case "sign":
                if question.get("key") != operator.key_id:
                    raise KeyUnavailable("the key agent now holds another operator's keys", _UNLOCK)
                return {"signature": encode_binary(operator.sign(decode_binary(question.get("message"))))}
            case "unwrap":
                wrapped = Wrapped.from_json(question.get("wrapped"))
                return {"secret": encode_binary(operator.unwrap(wrapped, decode_binary(question.get("info"))))}
            case "lock":
                return {"locked": True}
            case _:
                raise KeyUnavailable("the key agent does not know this question")
    except BwcError as error:
        return {"error": error.name, "hint": error.hint, "message": error.message}


def _keep_memory_private() -> None:
    """No core file, no debugger of the same user, no swap: as far as the system lets us."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: also closes /proc/PID/mem to the user's other processes
        libc.mlockall(1)  # MCL_CURRENT


def _now() -> float:
    # CLOCK_MONOTONIC stands still while a laptop sleeps
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# --- both sides ------------------------------------------------------------------------------------------


def _send(peer: socket.socket, message: dict[str, Json]) -> None:
    data = canonical(message)
    peer.sendall(_LENGTH.pack(len(data)) + data)


def _receive(peer: socket.socket) -> dict[str, Any]:
    """One message. Raises `OSError` when the other end is gone, slow or talks of something else."""
    (length,) = _LENGTH.unpack(_exactly(peer, _LENGTH.size))
    if length > _MESSAGE_MOST_BYTES:
        raise OSError("message too long")
    try:
        value = parse_canonical(_exactly(peer, length))
    except IntegrityError as error:
        raise OSError("not a message") from error
    if not isinstance(value, dict):
        raise OSError("not a message")
    return value


def _exactly(peer: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = peer.recv(length - len(data))
        if not piece:
            raise ConnectionResetError("the other end closed")
        data += piece
    return bytes(data)


def _check_folder(folder: Path) -> None:
    found = folder.stat()
    # others who could put a socket here gain nothing (each end asks the kernel who the other is), but could remove ours
    if found.st_uid != os.geteuid() or found.st_mode & 0o002:
        raise ConfigError(f"{folder} is not ours alone: no place for a key agent", f"chmod o-w {folder}")


@contextlib.contextmanager
def _start_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Guards stop, unlink and bind: of two starts at once the second replaces the first, whole."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """`path` as a socket address; unix(7) takes 107 bytes, a longer one goes by way of its open folder."""
    if len(os.fsencode(path)) <= 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
