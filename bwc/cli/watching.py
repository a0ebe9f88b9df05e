"""bwc ingest --watch: runs until it is told to stop, one line for each card."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwc.cli.entry import Entry
from bwc.errors import NotFound, UsageError

if TYPE_CHECKING:
    from bwc.ingest.tags import Rules
    from bwc.ingest.watch import News, TagsFor

_BURST_S = 0.3  # events come in bursts; one look serves them all


def watch_folder(
    entry: Entry, folder: Path, receipts: Path, *, tags_for: "TagsFor", rules: "Rules", settle_s: float
) -> None:
    """Take in every card that appears in `folder`, until SIGTERM or Ctrl-C; then the cards being read are ended cleanly."""
    from bwc.ingest.wake import woken_by_changes
    from bwc.ingest.watch import Watch
    from bwc.ingest.watch_book import Book

    if not folder.is_dir():
        raise NotFound(f"{folder} is not a folder", "name the folder in which cards or docks appear")
    if receipts.resolve().is_relative_to(folder.resolve()):
        raise UsageError("the receipts lie in the watched folder", "--receipt DIR, outside of it")
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # see bwc.ingest.watch.is_being_written
    woken, stopped, told = threading.Event(), threading.Event(), threading.Event()

    def stop(signum: int, _: object) -> None:
        # a flag, not an exception: a look is never broken off between a receipt and what is remembered of it
        stopped.set()
        woken.set()
        signal.signal(signum, signal.default_int_handler)

    def tell(news: "News") -> None:
        _tell(entry, news)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with Book(receipts).opened() as book, woken_by_changes(folder, woken.set) as has_events:
        watch = Watch(
            folder=folder,
            enter=entry.door(),
            tags_for=tags_for,
            book=book,
            rules=rules,
            tell=tell,
            settle_s=settle_s,
        )
        entry.terminal.say(f"watching {folder}; receipts go to {receipts}" + ("" if has_events else "; no events here"))
        _notify("READY=1")
        while not stopped.is_set():
            pause = watch.step(time.monotonic())
            if told.is_set() and not watch.is_busy:
                told.clear()
                entry.ask_outsiders()  # a watch runs for weeks: outsiders sign after each card, not at its end
            if woken.wait(pause):
                woken.clear()
                stopped.wait(_BURST_S)
        _notify("STOPPING=1")
        if watch.is_busy:
            entry.terminal.say("stopping: what is sealed is recorded first; again to break off")
        watch.stop(time.monotonic())


def _tell(entry: Entry, news: "News") -> None:
    if entry.terminal.as_json:
        document = {
            "card": news.name,
            "good": news.is_good,
            "receipt": str(news.receipt) if news.receipt else None,
            "text": news.text,
        }
        click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))
        return
    receipt = f"  {news.receipt}" if news.receipt else ""
    click.echo(f"{news.name}: {news.text}{receipt}", err=not news.is_good)


def _notify(state: str) -> None:
    """Tell systemd (sd_notify(3)), if it started us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())
