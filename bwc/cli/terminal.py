"""What a person sees: results on standard output, talk on standard error, tables, progress, JSON."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import click

Progress = Callable[[int, int | None], None]

_QUIET_SECONDS = 2.0  # progress is shown for work that takes longer than this
_LINE_EVERY_SECONDS = 10.0  # in a log file (no terminal) one line each


class Terminal:
    """Where one command talks. With `as_json` the result is one JSON document on standard output."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        """Talk for people; silent with -q and never part of the result."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """Talk that only -v shows."""
        if self.verbose:
            click.echo(text, err=True)

    def result(self, data: Mapping[str, Any], text: str | None = None) -> None:
        """The result of a command: `data` as JSON with --json, else `text` for people."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True))
        elif text:
            click.echo(text)

    def bold(self, text: str) -> str:
        return click.style(text, bold=True) if self.colour else text

    def good(self, text: str) -> str:
        return click.style(text, fg="green", bold=True) if self.colour else text

    def bad(self, text: str) -> str:
        return click.style(text, fg="red", bold=True) if self.colour else text

    @contextmanager
    def progress(self, label: str) -> Iterator[Progress]:
        """A callback `(done, total)` that shows how far the work is and the time left."""
        if self.quiet or self.as_json:
            yield _silent
            return
        line = _ProgressLine(label, live=sys.stderr.isatty())
        try:
            yield line.update
        finally:
            line.end()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under their column names, aligned; an empty string when there is nothing to show."""
    if not rows:
        return ""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(column), *(len(row[index]) for row in cells)) for index, column in enumerate(columns)]
    lines = ["  ".join(column.upper().ljust(width) for column, width in zip(columns, widths, strict=True)).rstrip()]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def size_text(size_bytes: int) -> str:
    """A size for people: 1.4 GB, 12.0 MB, 87 B (powers of ten)."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 1000 or unit == "TB":
            return f"{value:.1f} {unit}"
    raise AssertionError("unreachable")


def counted(count: int, thing: str, things: str = "") -> str:
    """A number with its noun: 1 file, 2 files."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def seconds_text(seconds: float) -> str:
    """A duration for people: 0:07, 12:30, 1:02:03."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


class _ProgressLine:
    def __init__(self, label: str, *, live: bool) -> None:
        self._label = label
        self._live = live
        self._began = time.monotonic()
        self._shown = self._began
        self._drawn = False

    def update(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._began < _QUIET_SECONDS or now - self._shown < (0.2 if self._live else _LINE_EVERY_SECONDS):
            return
        self._shown = now
        text = f"{self._label}: {done}"
        if total:
            share = min(1.0, done / total)
            left = (now - self._began) * (1 - share) / share if share > 0 else 0.0
            text = f"{self._label}: {share:4.0%}  {timedelta(seconds=round(left))} left"
        if self._live:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)
            self._drawn = True
        else:
            click.echo(text, err=True)

    def end(self) -> None:
        if self._drawn:
            click.echo("\r\x1b[K", err=True, nl=False)


def _silent(done: int, total: int | None) -> None:
    """Progress nobody looks at."""
