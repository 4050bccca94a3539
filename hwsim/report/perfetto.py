"""A tile schedule as a Perfetto trace: a track a unit, a slice an event, a nanosecond a cycle.

Perfetto counts in nanoseconds and a cycle may be less than one, so a cycle is shown as one
nanosecond whatever the clock: what is read off is cycles. Source of the format: Perfetto's
``TracePacket`` and ``TrackEvent``, by the builder in its own Python package.
"""

from collections.abc import Sequence

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent
from perfetto.trace_builder.proto_builder import TraceProtoBuilder

from hwsim.timeline import TRACKS, Event

SEQUENCE = 1  # all packets are of one writer


def perfetto_trace(title: str, events: Sequence[Event]) -> bytes:
    """The trace as bytes; the same events give the same bytes."""
    builder = TraceProtoBuilder()
    root = _track(builder, 1, 0, title)
    tracks = {name: _track(builder, 2 + at, root, name) for at, name in enumerate(TRACKS)}
    for name in TRACKS:
        for event in (each for each in events if each.track == name):
            _slice(builder, tracks[name], event)
    trace: bytes = builder.serialize()
    return trace


def _track(builder: TraceProtoBuilder, uuid: int, parent: int, name: str) -> int:
    packet = builder.add_packet()
    packet.track_descriptor.uuid = uuid
    packet.track_descriptor.name = name
    if parent:
        packet.track_descriptor.parent_uuid = parent
    return uuid


def _slice(builder: TraceProtoBuilder, track: int, event: Event) -> None:
    """A beginning and an end; what the event is of is a category and two annotations."""
    begin = builder.add_packet()
    begin.timestamp = event.start
    begin.trusted_packet_sequence_id = SEQUENCE
    begin.track_event.type = TrackEvent.TYPE_SLICE_BEGIN
    begin.track_event.track_uuid = track
    begin.track_event.name = event.name
    begin.track_event.categories.append(event.part or "beside")
    for name, value in (("primitive", event.primitive), ("cycles", event.cycles)):
        note = begin.track_event.debug_annotations.add()
        note.name = name
        if isinstance(value, int):
            note.uint_value = value
        else:
            note.string_value = value
    end = builder.add_packet()
    end.timestamp = event.end
    end.trusted_packet_sequence_id = SEQUENCE
    end.track_event.type = TrackEvent.TYPE_SLICE_END
    end.track_event.track_uuid = track
