"""bwc bench: measure this product on footage whose truth is known, and others beside it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bwc.cli.entry import Entry, command
from bwc.cli.terminal import table
from bwc.errors import UsageError

if TYPE_CHECKING:
    from bwc.redact.measuring import Clip, Measured


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure how well people, plates and spoken personal data are hidden, where the truth is known.

    \b
    Examples:
      bwc bench accuracy ../shared/data
      bwc bench speech spoken
      bwc bench accuracy footage --profile max --misses misses.jpg
    """


@command(
    """
    bwc bench accuracy footage
    bwc bench accuracy footage --only night --misses misses.jpg --other "deface {in} -o {out} --replacewith img"
    """,
    name="accuracy",
)
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--profile", default="balanced", show_default=True, help="fast, balanced or max.")
@click.option("--only", default="", help="Only clips whose path holds this.")
@click.option("--misses", type=click.Path(path_type=Path), help="Write a JPEG of what still shows to this file.")
@click.option("--other", multiple=True, metavar="COMMAND", help="Another tool, with {in} and {out}; covers in magenta.")
@click.option("--save", type=click.Path(path_type=Path), help="Write all figures (JSON) to this file.")
def accuracy(
    entry: Entry,
    dataset: Path,
    *,
    profile: str,
    only: str,
    misses: Path | None,
    other: tuple[str, ...],
    save: Path | None,
) -> None:
    """Redact every clip of DATASET and judge the pixels of the copies against its truth.

    Beside clip.mp4 lies clip.truth.json. Counted are truth boxes at least 90 % covered, by class and height, the
    longest time one subject shows, and what is hidden for nothing.
    """
    from bwc.redact import measuring

    for path in (misses, save):
        if path and path.exists():
            raise UsageError(f"{path} exists", "choose a new file name")
    for line in other:
        if "{in}" not in line or "{out}" not in line:
            raise UsageError(f"{line!r} names no files", "write {in} and {out} where they go")
    found = measuring.clips_in(dataset, only)
    runs: dict[str, list[Measured]] = {}
    with entry.terminal.progress("measure") as progress:
        works: list[tuple[str, str | None]] = [
            (f"bwc {profile}", None),
            *((measuring.name_of(line), line) for line in other),
        ]
        for place, (name, tool) in enumerate(works):
            runs[name] = []
            for index, clip in enumerate(found):
                progress(place * len(found) + index, len(works) * len(found))
                runs[name].append(_one(clip, profile, tool))
    data = _data(runs)
    if save:
        save.write_text(json.dumps(data, indent=2, sort_keys=True), encoding="utf-8")
    shown = measuring.sheet_of(runs[works[0][0]]) if misses else None
    if misses and shown:
        misses.write_bytes(shown)
    entry.terminal.result(data, "\n\n".join(_text(name, rows) for name, rows in runs.items()))


@command(
    """
    bwc bench speech spoken
    bwc bench speech spoken --only 5dB --bleep --save figures.json
    """,
    name="speech",
)
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Only clips whose path holds this.")
@click.option("--bleep", is_flag=True, help="With a bleep instead of silence.")
@click.option("--asr-model", type=click.Path(path_type=Path), help="Folder of a speech model of your own.")
@click.option("--save", type=click.Path(path_type=Path), help="Write all figures (JSON) to this file.")
def speech(entry: Entry, dataset: Path, *, only: str, bleep: bool, asr_model: Path | None, save: Path | None) -> None:
    """Redact the sound of every clip of DATASET whose words are known and judge the copies.

    Beside clip.mp4 lies clip.speech.json. Counted are words that are personal data: found by the transcript, wholly inside
    a hidden span; samples in spans that are neither silent nor the bleep; hidden words heard again in the copy.
    """
    from bwc.cli.listening import kind_of
    from bwc.redact import speech_measuring
    from bwc.redact.speech.listen import find_hearing

    if save and save.exists():
        raise UsageError(f"{save} exists", "choose a new file name")
    found = speech_measuring.clips_in(dataset, only)
    hearing = find_hearing(asr_model)
    rows: dict[str, speech_measuring.Tally] = {"all": speech_measuring.Tally()}
    data: dict[str, Any] = {}
    with entry.terminal.progress("measure") as progress:
        for place, clip in enumerate(found, 1):
            done = speech_measuring.measure(clip, lambda: hearing, kind=kind_of(bleep))
            for name in (clip.noise or "-", "all"):
                rows.setdefault(name, speech_measuring.Tally()).add(done)
            data = {
                "clips": place,
                "levels": {name: row.to_json() for name, row in rows.items()},
                "models": [f"{one.name} {one.file_sha256[:12]} {one.package}" for one in hearing.describe()],
            }
            if save:  # after each clip: whoever has to stop keeps what was measured
                save.write_text(json.dumps(data, indent=2, sort_keys=True), encoding="utf-8")
            progress(place, len(found))
    entry.terminal.result(data, _speech_text(rows))


def _speech_text(rows: dict[str, Any]) -> str:
    lines = []
    for name, row in rows.items():
        one = row.to_json()
        lines.append(
            (
                name,
                one["targets"],
                f"{one['targets_found']} ({one['found_by_transcript']})",
                f"{one['targets_found_and_hidden']} ({one['found_and_hidden']})",
                one["targets_hidden"],
                one["others_hidden"],
                one["share_of_time_hidden"],
                one["faults"],
                one["heard_again"],
                one["suspects"],
                one["times_real_time"],
                one["voice_found"],
            )
        )
    columns = (
        "noise",
        "targets",
        "found",
        "of those hidden",
        "hidden",
        "others hidden",
        "time hidden",
        "faults",
        "heard again",
        "suspects",
        "x real time",
        "voice found",
    )
    misses = [miss for name, row in rows.items() if name == "all" for miss in row.misses]
    return table(columns, lines) + "".join(f"\n  {miss}" for miss in misses[:20])


def _one(clip: "Clip", profile: str, line: str | None) -> "Measured":
    from bwc.redact import measuring

    return measuring.measure(clip, profile=profile) if line is None else measuring.measure_other(clip, line)


def _data(runs: dict[str, list["Measured"]]) -> dict[str, Any]:
    return {"runs": [_run(name, rows) for name, rows in runs.items()]}


def _run(name: str, rows: list["Measured"]) -> dict[str, Any]:
    from bwc.redact.exposure import Exposure

    whole = Exposure()
    for row in rows:
        whole.add(row.exposure)
    return {
        "all": whole.to_json(),
        "clips": [row.to_json() for row in rows],
        "models": sorted({model for row in rows for model in row.models}),
        "tool": name,
    }


def _text(name: str, rows: list["Measured"]) -> str:
    lines = []
    for row in [*(one.to_json() for one in rows), {"clip": "all"} | _run(name, rows)["all"]]:
        data: Any = row
        for label, found in data["labels"].items() or [("-", None)]:
            run = found and found["longest_run"]
            lines.append(
                (
                    data["clip"],
                    label,
                    f"{found['all']['hidden']}/{found['all']['boxes']}" if found else "-",
                    _share(found and found["from_20_px"]),
                    f"{run['frames']} ({run['ms']} ms)" if run else "-",
                    f"{found['visible_seconds']:.2f}" if found else "-",
                    f"{data['over_hidden_share_of_picture']:.2%}",
                    "-" if data.get("false_tracks") is None else data["false_tracks"],
                    f"{data['times_real_time']:.2f}" if "times_real_time" in data else "-",
                )
            )
    columns = (
        "clip",
        "class",
        "hidden",
        "from 20 px",
        "longest run",
        "seconds seen",
        "over-hidden",
        "false tracks",
        "x real time",
    )
    return f"{name}\n" + table(columns, lines)


def _share(found: Any) -> str:
    return (
        "-" if not found or found["share"] is None else f"{found['share']:.4f} ({found['low']:.2f}-{found['high']:.2f})"
    )


bench.add_command(accuracy)
bench.add_command(speech)
