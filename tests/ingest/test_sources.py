"""Chapters and sidecars are put together when the rules say so, and nothing is ever left out."""

from hypothesis import given
from hypothesis import strategies as st

from bwc.ingest.card import CardFile
from bwc.ingest.sources import Recording, group

GIB = 2**30
MINUTE = 60 * 10**9


def file(path: str, size: int = 1000, minute: float = 0) -> CardFile:
    inode = abs(hash(path))
    return CardFile(path=path.encode(), size_bytes=size, mtime_ns=int(minute * MINUTE), inode=inode, device=1)


def names(recordings: tuple[Recording, ...]) -> list[list[str]]:
    return [[segment.name for segment in recording.segments] for recording in recordings]


def test_sidecars_follow_their_recording() -> None:
    found = group([file("D/A.MP4"), file("D/a.json"), file("D/A.MP4.xml"), file("D/A.THM"), file("E/A.json")])
    assert names(found) == [["D/A.MP4"], ["E/A.json"]]
    assert [side.file.name for side in found[0].sidecars] == ["D/a.json", "D/A.MP4.xml", "D/A.THM"]


def test_a_sidecar_prefers_the_video_among_equal_names() -> None:
    found = group([file("A.DAT"), file("A.MP4"), file("A.json")])
    owner = next(recording for recording in found if recording.sidecars)
    assert owner.segments[0].name == "A.MP4"


def test_gopro_chapters_are_one_item_with_their_proxies() -> None:
    found = group(
        [
            file("DCIM/100GOPRO/GX010042.MP4"),
            file("DCIM/100GOPRO/GX020042.MP4"),
            file("DCIM/100GOPRO/GX010043.MP4"),
            file("DCIM/100GOPRO/GL020042.LRV"),
            file("DCIM/100GOPRO/GX010042.THM"),
            file("DCIM/101GOPRO/GX030042.MP4"),
        ]
    )
    assert names(found) == [
        ["DCIM/100GOPRO/GX010042.MP4", "DCIM/100GOPRO/GX020042.MP4"],
        ["DCIM/100GOPRO/GX010043.MP4"],
        ["DCIM/101GOPRO/GX030042.MP4"],
    ]
    assert [(side.file.name[-12:], side.segment) for side in found[0].sidecars] == [
        ("GX010042.THM", 0),
        ("GL020042.LRV", 1),
    ]
    assert found[0].vendor == "gopro"
    assert found[2].notes == ("chapters 1 to 2 are not on the card",)


def test_older_gopro_names() -> None:
    found = group([file("GOPR0007.MP4"), file("GP010007.MP4"), file("GP020007.MP4"), file("GOPR0008.MP4")])
    assert names(found) == [["GOPR0007.MP4", "GP010007.MP4", "GP020007.MP4"], ["GOPR0008.MP4"]]


def test_a_missing_chapter_splits_and_is_noted() -> None:
    found = group([file("GX010042.MP4"), file("GX030042.MP4")])
    assert names(found) == [["GX010042.MP4"], ["GX030042.MP4"]]
    assert "chapters 2 to 2" in found[1].notes[0]


def test_parts_are_one_item() -> None:
    found = group([file("v-part1.mp4", 900, 1), file("v-part2.mp4", 1000, 2), file("v-part3.mp4", 10, 3)])
    assert names(found) == [["v-part1.mp4", "v-part2.mp4", "v-part3.mp4"]]


def test_parts_that_do_not_fit_stay_apart() -> None:
    backwards = [file("v-part1.mp4", 900, 5), file("v-part2.mp4", 1000, 1)]
    tiny_first = [file("v-part1.mp4", 9, 1), file("v-part2.mp4", 1000, 2)]
    gap = [file("v-part1.mp4", 900, 1), file("v-part3.mp4", 900, 2)]
    for files in (backwards, tiny_first, gap):
        assert len(group(files)) == 2


def test_numbered_files_are_recordings_of_their_own() -> None:
    assert len(group([file("CAM_001.mp4", 500, 1), file("CAM_002.mp4", 900, 30)])) == 2
    assert len(group([file("CAM_001.mp4", 900, 1), file("CAM_002.mp4", 500, 2)])) == 2
    assert len(group([file("CAM_001.mp4", 900, 1), file("CAM_002.mp4", 900, 2), file("CAM_003.mp4", 900, 90)])) == 3


def test_numbered_files_cut_at_a_size_are_one_item() -> None:
    full = 2 * GIB - 1000
    two = [file("CAM_001.mp4", full, 10), file("CAM_002.mp4", 5000, 11)]
    three = [file("CAM_001.mp4", 900, 10), file("CAM_002.mp4", 905, 20), file("CAM_003.mp4", 400, 24)]
    assert len(group(two)) == 1
    assert len(group(three)) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "D/", "D/E/"]),
            st.sampled_from(
                ["A", "GX010001", "GX020001", "GL010001", "GOPR0001", "GP010001", "V_001", "V_002", "V-part1"]
            ),
            st.sampled_from([".MP4", ".json", ".LRV", "", ".mp4", ".MP4.xml", "."]),
            st.integers(0, 10),
        ),
        unique_by=lambda each: each[:3],
        max_size=20,
    )
)
def test_every_file_is_in_exactly_one_recording(drawn: list[tuple[str, str, str, int]]) -> None:
    files = [file(folder + name + extension, size) for folder, name, extension, size in drawn]
    grouped = [each for recording in group(files) for each in recording.files]
    assert sorted(each.path for each in grouped) == sorted(each.path for each in files)
