"""A redaction plan in short, for people."""

from typing import TYPE_CHECKING, Any

from bwc.cli.terminal import counted, seconds_text, table

if TYPE_CHECKING:
    from bwc.redact.session import PlanState


def plan_text(state: "PlanState", *, tracks: bool = False) -> str:
    """Tracks by class; with `tracks` each track and sound in a line; what is doubtful or undecided."""
    from bwc.redact.plan_view import damage_text
    from bwc.redact.shown import clock_text

    summary = state.summary()
    length = seconds_text(summary.milliseconds / 1000)
    frames = counted(summary.frames, "frame")
    of = f" of the version for {state.request}" if state.request else ""
    head = f"{state.item} segment {state.segment}: plan revision {summary.revision}{of}, {length}, {frames}"
    classes = [
        (row.class_, row.tracks, f"{row.milliseconds / 1000:.1f}", row.keep, row.undecided) for row in summary.classes
    ]
    parts = [
        head,
        table(("class", "tracks", "seconds", "keep", "undecided"), classes)
        or "nothing found: look for faces and plates yourself",
    ]
    if tracks:
        from bwc.redact.plan_rows import sound_row, track_row, whole_row
        from bwc.redact.plan_view import let_go_times

        rows = [track_row(state.plan, one) for one in state.plan.tracks]
        rows += [whole_row(state.plan, one) for one in state.plan.whole_frame]
        rows += [sound_row(state.plan, one) for one in state.plan.audio_spans]
        parts.append(
            table(
                ("track", "class", "from s", "to s", "decision", "exemption", "doubts", "note"),
                [_cells(one) for one in rows],
            )
        )
        if left := [f"{start / 1000:.2f} to {end / 1000:.2f}" for start, end in let_go_times(state.plan)]:
            parts.append(f"faintly like a face, at second looks clearly none, so not covered (s): {', '.join(left)}")
    if damage := damage_text(state.plan):
        parts.append(f"{damage}; watch them")
    if clocks := clock_text(state.plan):
        parts.append(clocks)
    if summary.speech:
        parts.append(summary.speech.text(state.item))
    if summary.doubts:
        parts.append("doubts: " + ", ".join(f"{code} {count}" for code, count in sorted(summary.doubts.items())))
    if summary.undecided:
        parts.append(
            f"{len(summary.undecided)} undecided (covered until decided): bwc decide {state.words} --undecided redact"
        )
    return "\n".join(parts)


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    start, end = f"{row['start_ms'] / 1000:.2f}", f"{row['end_ms'] / 1000:.2f}"
    doubts, note = " ".join(row["doubts"]), " ".join(row["note"].split())
    return row["id"], row["class"], start, end, row["decision"], row["exemption"], doubts, note
