"""The key agent: answers its own user, forgets in time, and cannot be mistaken for another's."""

import contextlib
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwc import agent
from bwc.agent import AgentOperator, Seat, connect, serve, socket_path, start_agent, stop_agent
from bwc.errors import ConfigError, KeyUnavailable, ProofInvalid, SealBroken
from bwc.identities import LocalOperator, Wrapped, wrap_to

ALICE, BOB = LocalOperator.generate("Alice Zoë"), LocalOperator.generate("Bob")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BWC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    yield tmp_path / "home"
    stop_agent()


def connected() -> AgentOperator:
    found = connect()
    assert found is not None
    return found


def agent_pid() -> int:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(socket_path()))
        return int(struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def ask_raw(peer: socket.socket) -> object:
    """Ask without looking at who answers."""
    agent._send(peer, {"act": "info"})
    return agent._receive(peer)


def wait_until_gone() -> float:
    start = time.monotonic()
    while connect() is not None:
        assert time.monotonic() - start < 10, "the agent does not end"
        time.sleep(0.05)
    return time.monotonic() - start


def served(path: Path, **more: object) -> threading.Thread:
    """An agent in a thread of this process, so that its clock and its view of the peer can be chosen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seat = Seat.take(path)
    options = {"idle_s": 60.0, "most_s": 60.0} | more

    def run() -> None:
        try:
            serve(seat, ALICE, **options)  # type: ignore[arg-type]
        finally:
            seat.leave()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_agent_signs_and_unwraps_and_stops(home):
    assert connect() is None
    start_agent(ALICE)
    person = connected()
    assert (person.name, person.key_id, person.alg) == (ALICE.name, ALICE.key_id, "ed25519")
    assert (person.recipient, person.public, person.recipient_id) == (ALICE.recipient, ALICE.public, ALICE.recipient_id)
    ALICE.verify_key.verify(b"message" * 10_000, person.sign(b"message" * 10_000))
    assert person.unwrap(wrap_to(ALICE.recipient, b"secret", b"info"), b"info") == b"secret"
    assert stat.S_IMODE(socket_path().stat().st_mode) == 0o600
    assert stop_agent()
    assert not stop_agent()
    assert connect() is None
    assert not socket_path().exists()
    with pytest.raises(KeyUnavailable) as caught:
        person.sign(b"message")
    assert caught.value.hint == "bwc unlock"


def test_errors_keep_their_class_across_the_socket():
    start_agent(ALICE)
    person, wrapped = connected(), wrap_to(ALICE.recipient, b"secret", b"info")
    with pytest.raises(SealBroken):
        person.unwrap(wrapped, b"other info")
    with pytest.raises(KeyUnavailable):
        person.unwrap(wrap_to(BOB.recipient, b"secret", b"info"), b"info")
    with pytest.raises((SealBroken, ProofInvalid)):
        person.unwrap(Wrapped(ALICE.recipient_id, "ROT13", b"x"), b"info")
    assert person.unwrap(wrapped, b"info") == b"secret"


def test_the_seeds_never_cross_the_socket_and_other_questions_are_refused(home):
    start_agent(ALICE)
    for act in ("seeds", "export", None):
        with pytest.raises(KeyUnavailable, match="question"):
            agent._ask(socket_path(), {"act": act})
    answer = agent._ask(socket_path(), {"act": "info"})
    assert set(answer) == {"name", "recipient", "verify_key"}


def test_starting_again_replaces_the_agent():
    start_agent(ALICE)
    first = connected()
    start_agent(BOB)
    assert connected().key_id == BOB.key_id
    with pytest.raises(KeyUnavailable, match="another operator"):
        first.sign(b"message")


def test_two_homes_have_two_agents(tmp_path, monkeypatch):
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    start_agent(ALICE)
    monkeypatch.setenv("BWC_HOME", str(tmp_path / "second"))
    try:
        assert connect() is None
        start_agent(BOB)
        assert connected().key_id == BOB.key_id
        assert stop_agent()
    finally:
        monkeypatch.setenv("BWC_HOME", str(tmp_path / "home"))
    assert connected().key_id == ALICE.key_id
    assert stop_agent()


def test_several_starts_at_once_leave_one_agent_that_answers(home):
    threads = [threading.Thread(target=start_agent, args=(one,)) for one in (ALICE, BOB, ALICE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connected().key_id in (ALICE.key_id, BOB.key_id)
    assert stop_agent()
    assert connect() is None


def test_agent_forgets_after_its_idle_time():
    start_agent(ALICE, idle_s=0.8)
    person = connected()
    for _ in range(3):  # use keeps it, beyond the idle time
        time.sleep(0.4)
        person.sign(b"message")
    assert wait_until_gone() > 0.3
    assert not socket_path().exists()


def test_asking_who_it_is_does_not_keep_it():
    start_agent(ALICE, idle_s=0.6)
    assert wait_until_gone() < 3


def test_agent_ends_at_its_maximum_however_it_is_used():
    start_agent(ALICE, most_s=0.8)
    person, start = connected(), time.monotonic()
    signed = 0
    with contextlib.suppress(KeyUnavailable):
        while time.monotonic() - start < 10:
            person.sign(b"message")
            signed += 1
            time.sleep(0.02)
    assert signed > 5
    assert time.monotonic() - start < 5


def test_time_asleep_counts(home, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(agent, "_now", lambda: clock[0])
    thread = served(socket_path(), idle_s=1800.0, most_s=43200.0)
    connected().sign(b"message")
    clock[0] += 1801  # the lid was shut for half an hour; the first thing after it is a question
    with pytest.raises(KeyUnavailable):
        agent._ask(socket_path(), {"act": "sign", "key": ALICE.key_id, "message": "AAAA"})
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_stale_socket_is_replaced(home):
    home.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_path()))
    left.close()
    assert socket_path().exists()
    assert connect() is None
    assert not stop_agent()
    start_agent(ALICE)
    assert connected().key_id == ALICE.key_id


def test_killed_agent_is_replaced(home):
    start_agent(ALICE)
    pid = agent_pid()
    os.kill(pid, 9)
    wait_until_gone()
    assert socket_path().exists()
    start_agent(BOB)
    assert connected().key_id == BOB.key_id


def test_another_users_process_is_not_answered(home):
    thread = served(socket_path(), uid_of=lambda peer: os.geteuid() + 1)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(socket_path()))
        with pytest.raises(OSError, match=r"(?i)closed|reset|broken pipe"):
            ask_raw(peer)
    assert connect() is None
    assert thread.is_alive()  # it refuses, it does not fall over


def test_another_users_agent_is_not_asked(home, monkeypatch):
    start_agent(ALICE)
    with monkeypatch.context() as patch:
        patch.setattr(agent, "peer_uid", lambda peer: os.geteuid() + 1)
        assert connect() is None
        with pytest.raises(KeyUnavailable, match="another user"):
            agent._ask(socket_path(), {"act": "info"})
    assert connect() is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_the_kernel_names_the_other_user(home):
    start_agent(ALICE)
    home.chmod(0o755)
    socket_path().chmod(0o666)
    folder = os.open(home, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as peer:
        os.seteuid(65534)
        try:
            peer.connect(f"/proc/self/fd/{folder}/agent.sock")
        finally:
            os.seteuid(0)
            os.close(folder)
        with pytest.raises(OSError, match=r"(?i)closed|reset|broken pipe"):
            ask_raw(peer)


def test_folder_open_to_all_is_no_place_for_an_agent(home):
    home.mkdir()
    home.chmod(0o777)
    with pytest.raises(ConfigError):
        start_agent(ALICE)
    assert not socket_path().exists()


def test_long_paths_work(tmp_path, monkeypatch):
    monkeypatch.setenv("BWC_HOME", str(tmp_path / ("long" * 20) / ("path" * 20)))
    assert len(str(socket_path())) > 108
    start_agent(ALICE)
    assert connected().key_id == ALICE.key_id
    assert stop_agent()
    assert not socket_path().exists()


def test_nonsense_on_the_socket_ends_nothing(home, monkeypatch):
    monkeypatch.setattr(agent, "_ANSWER_S", 0.3)
    served(socket_path())
    for data in (
        b"",
        b"\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\5hello",
        b"\0\0\0\2[]",
        b"\0\0\0\7",
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(socket_path()))
            peer.sendall(data)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(socket_path()))
        time.sleep(0.5)
        assert connected().sign(b"message")


def test_agent_of_another_key_is_noticed(home):
    """Whoever answers in the agent's place cannot make us record a signature that is not ours."""
    served(socket_path())
    person = connected()
    false = AgentOperator(name="x", verify_key=BOB.verify_key, recipient=BOB.recipient, path=person.path)
    with pytest.raises(KeyUnavailable):
        false.sign(b"message")


def test_agent_has_neither_core_file_nor_open_memory(home):
    start_agent(ALICE)
    pid = agent_pid()
    limits = Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"Alice" not in command
    assert ALICE.seeds().hex().encode() not in command
    files = {Path(f"/proc/{pid}/fd/{name}").readlink() for name in ("0", "1", "2")}
    assert files == {Path("/dev/null")}
