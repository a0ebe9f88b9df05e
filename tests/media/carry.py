"""A recording through the whole media room: decode, encode every frame, carry its sound, write our MP4."""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from bwc.media.audio import Sound, write_sound
from bwc.media.decode import VideoReader
from bwc.media.encode import H264Encoder
from bwc.media.facts import MediaFacts
from bwc.media.mp4 import Mp4, SampleTable, origin_of, video_track


@dataclass
class Carried:
    facts: MediaFacts
    times: list[Fraction]
    frames_lost: int
    reasons: list[str]
    damaged: int
    sounds: list[Sound]
    copy: bytes


def carry(file: BinaryIO, name: str = "", **settings: object) -> Carried:
    """What a render does, without covering anything. Raises what the media room raises."""
    reader = VideoReader(file, name=name)
    video = reader.facts.video
    assert video is not None
    encoder = H264Encoder(
        video.width,
        video.height,
        video.time_base,
        rate=video.rate,
        colour=video.colour,
        sar=video.sar,
        interlaced=video.interlaced,
        top_field_first=video.top_field_first,
        **settings,
    )
    table, data, times = SampleTable(), io.BytesIO(), []

    def keep(samples: list) -> None:
        for sample in samples:
            table.add(size=len(sample.data), pts=sample.pts, dts=sample.dts, key=sample.key)
            data.write(sample.data)

    for picture in reader.frames():
        times.append(picture.pts * picture.time_base)
        keep(encoder.encode((picture.y, picture.u, picture.v), picture.pts, force_key=picture.keyframe))
    keep(encoder.finish())
    sounds, tracks = [], []
    for track in reader.facts.audio:
        sink = io.BytesIO()
        sound = write_sound(file, track.stream, sink.write, name=name)
        if sound is not None:
            sounds.append(sound)
            tracks.append((sound, sink))
    origin = origin_of([times[0], *(sound.start for sound in sounds)])
    picture_track = video_track(
        table,
        data,
        time_base=video.time_base,
        avcc=encoder.avcc,
        width=video.width,
        height=video.height,
        matrix=video.matrix,
        colour=video.colour,
        sar=video.sar,
        origin=origin,
    )
    copy = b"".join(Mp4([picture_track, *(sound.track(sink, origin=origin) for sound, sink in tracks)]))
    return Carried(
        facts=reader.facts,
        times=times,
        frames_lost=reader.frames_lost,
        reasons=[loss.reason for loss in reader.lost],
        damaged=reader.damaged,
        sounds=sounds,
        copy=copy,
    )
