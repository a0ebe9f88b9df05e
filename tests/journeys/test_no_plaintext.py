"""No plaintext picture or sound rests on disk inside the house, during any command: folders and temp files watched.

Every file that appears or changes below the vault, the home and the temporary folder is read again and again while
the commands run, also files that are deleted but still open, and searched for pieces of the original's bytes, of
its decoded picture and of the redacted copy's bytes.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from tests.journeys.conftest import FIXTURES, ROOT, World

CLIP = FIXTURES / "clips" / "plain.mp4"
PIECE = 48  # bytes; by chance such a piece does not occur in a sealed file


def pieces_of(data: bytes, count: int) -> set[bytes]:
    """`count` pieces spread over `data` that are not just padding."""
    step = max(PIECE, len(data) // count)
    found = {data[at : at + PIECE] for at in range(0, len(data) - PIECE, step)}
    return {piece for piece in found if len(set(piece)) > 16}


def luma(path: Path, frames: int = 3) -> bytes:
    with av.open(str(path)) as container:
        taken = [
            frame.to_ndarray(format="gray").tobytes()
            for frame, _ in zip(container.decode(video=0), range(frames), strict=False)
        ]
    return b"".join(taken)


class Watch(threading.Thread):
    """Reads what lies in some folders, and what a process tree holds open, and looks for pieces."""

    def __init__(self, folders: list[Path], pieces: set[bytes]) -> None:
        super().__init__(daemon=True)
        self.folders = folders
        self.pieces = pieces
        self.found: set[str] = set()
        self.read: set[str] = set()
        self._known: dict[str, tuple[int, int]] = {}
        self._stop_it = threading.Event()

    def run(self) -> None:
        while not self._stop_it.is_set():
            self.look()

    def finish(self) -> None:
        self._stop_it.set()
        self.join()
        self._known.clear()
        self.look()

    def look(self) -> None:
        for path in [*self._files(), *self._held_open()]:
            try:
                status = os.stat(path)
                mark = (status.st_mtime_ns, status.st_size)
                if self._known.get(path) == mark or status.st_size > 1 << 28:
                    continue
                self._known[path] = mark
                data = Path(path).read_bytes()
            except OSError:
                continue
            self.read.add(path)
            if any(piece in data for piece in self.pieces):
                self.found.add(path)

    def _files(self) -> Iterator[str]:
        for folder in self.folders:
            for base, _, names in os.walk(folder):
                yield from (os.path.join(base, name) for name in names)

    def _held_open(self) -> Iterator[str]:
        """Deleted files that one of our processes still has open."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if b"bwc" not in (process / "cmdline").read_bytes():
                    continue
                for handle in (process / "fd").iterdir():
                    if os.readlink(handle).endswith("(deleted)"):
                        yield str(handle)
            except OSError:
                continue


@pytest.fixture
def temporary(tmp_path: Path, world: World) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    world.extra["TMPDIR"] = str(folder)
    return folder


def test_nothing_readable_rests_in_the_house(
    world: World, card: Callable[..., Path], temporary: Path, tmp_path: Path
) -> None:
    wanted = pieces_of(CLIP.read_bytes(), 400) | pieces_of(luma(CLIP), 200)
    watch = Watch([world.vault, world.home, temporary, Path("/dev/shm"), Path("/var/tmp")], wanted)
    watch.start()
    world.run("ingest", card(CLIP), "--officer", "B1", "--camera", "X1")
    item = world.items()[0]["item"]
    world.run("detect", item)
    world.run("decide", item, "--undecided", "redact")
    world.run("mute", item, "--from", "0.5", "--to", "1")
    world.run("redact", item)
    world.run("check", item, "--stride", "5", code=None)
    world.run("verify")
    watch.finish()
    assert not watch.found
    assert len(watch.read) > 20
    # what leaves the house is what a person asked for, and the copy was not readable inside either
    world.run("open", item, "-o", tmp_path / "out.mp4", "--reason", "test")
    assert (tmp_path / "out.mp4").read_bytes() == CLIP.read_bytes()


def test_the_watch_would_find_it(tmp_path: Path) -> None:
    wanted = pieces_of(CLIP.read_bytes(), 400)
    (tmp_path / "house").mkdir()
    watch = Watch([tmp_path / "house"], wanted)
    watch.start()
    shutil.copy(CLIP, tmp_path / "house" / "leak.tmp")
    hidden = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os,time; f=open({str(tmp_path / 'house' / 'gone')!r},'w+b'); f.write(open({str(CLIP)!r},'rb').read()); f.flush(); os.unlink(f.name); print('bwc',flush=True); time.sleep(60)",
            "bwc",
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert hidden.stdout
    hidden.stdout.readline()
    watch.look()
    hidden.kill()
    hidden.wait()
    watch.finish()
    assert any(name.endswith("leak.tmp") for name in watch.found)
    assert any(name.startswith("/proc/") for name in watch.found)
