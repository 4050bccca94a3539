"""When each unit does what: events that do not overlap, follow their data, and end in time."""

import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent
from typer.testing import CliRunner

from hwsim.buffers import play, walk
from hwsim.cli import app
from hwsim.cost import Cost
from hwsim.cycles import tile_cycles
from hwsim.evaluate import LayerCost, PrimitiveCost, cost_layers
from hwsim.io import preset
from hwsim.lowering import FORMS, convolution_layer
from hwsim.report.perfetto import perfetto_trace
from hwsim.schedule import tile_of, total_cycles
from hwsim.tiling import pieces
from hwsim.timeline import ARRAY, CHANNEL, TRACKS, timeline
from hwsim.workload import Convolution
from tests.hwsim.strategies import machines, tiled

SITE = Convolution(
    in_channels=16, out_channels=16, height=9, width=9, kernel_h=3, kernel_w=3, padding=1
)


def layer_of(conv, tiling, unit):
    """A layer of one convolution that was run so: only its cycles are of interest."""
    cycles = total_cycles(conv, pieces(conv, tiling), tiling.order, unit)
    priced = PrimitiveCost(primitive=conv, cost=Cost(compute_cycles=cycles), tiling=tiling)
    return LayerCost(name="layer", form="convolution", primitives=(priced,))


def by_track(events):
    tracks = defaultdict(list)
    for event in events:
        tracks[event.track].append(event)
    return tracks


def literal(conv, tiling, unit):
    """Tiles, walked one by one."""

    def cycles(pixels, outputs, depth):
        rows = pixels // conv.out_width
        return tile_cycles(tile_of(conv, 1, rows, outputs, depth // conv.taps), unit).total

    return walk(conv, tiling, unit, cycles)


@settings(max_examples=150, deadline=None)
@given(tiled(), machines)
def test_events_are_the_walk_tile_by_tile_and_end_when_it_ends(case, unit):
    conv, tiling = case
    steps = literal(conv, tiling, unit)
    events = timeline(layer_of(conv, tiling, unit), unit)
    assert max(event.end for event in events) == play(steps, unit)
    tiles = [e.cycles for e in events if e.part == "array"]
    assert tiles == [step.compute_cycles for step in steps]
    moved = [e.cycles for e in events if e.track == CHANNEL]
    sizes = [size for s in steps for size in (s.ifmap_bytes, s.filter_bytes, s.ofmap_bytes) if size]
    if unit.l2 is None:  # else the channel is as fast as the slower of the two levels
        assert sum(moved) == sum(map(unit.dram.transfer_cycles, sizes))
    assert len(moved) == len(sizes)


@settings(max_examples=100, deadline=None)
@given(tiled(), machines)
def test_no_unit_does_two_things_and_the_array_is_at_work_or_waits(case, unit):
    layer = layer_of(*case, unit)
    tracks = by_track(timeline(layer, unit))
    for events in tracks.values():
        for one, other in pairwise(events):
            assert one.end <= other.start
    array = tracks[ARRAY]
    assert array[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(array))
    assert array[-1].end == layer.cost.cycles


@settings(max_examples=100, deadline=None)
@given(tiled(), machines)
def test_a_tile_is_computed_after_its_loads_and_stored_after_it_is_computed(case, unit):
    events = timeline(layer_of(*case, unit), unit)
    tile = {int(e.name.split()[-1]): e for e in events if e.part == "array"}
    for event in events:
        if event.track == CHANNEL:
            verb, _, number = event.name.split()
            if verb == "load":
                assert event.end <= tile[int(number)].start
            else:
                assert event.start >= tile[int(number)].end


@pytest.mark.parametrize("name", ["tpu-v1", "davinci-310p", "eyeriss-v1"])
def test_every_form_of_a_layer_ends_at_its_cycles(name):
    unit = preset(name)
    layers = [convolution_layer(form, SITE, relu=True, form=form) for form in FORMS]
    for cost in cost_layers(layers, unit):
        events = timeline(cost, unit)
        assert max(event.end for event in events) == cost.cost.cycles
        waiting = [e for e in events if e.part in ("stall", "waits")]
        assert all(event.cycles > 0 for event in events if event.part != "array")
        assert {event.track for event in waiting} <= set(TRACKS)


def test_many_tiles_are_told_up_to_a_number_and_the_rest_in_one():
    unit = preset("eyeriss-v1")
    (cost,) = cost_layers([convolution_layer("x", SITE, relu=False, form="convolution")], unit)
    whole = timeline(cost, unit)
    short = timeline(cost, unit, most_tiles=1)
    tiles = sum(event.part == "array" for event in whole)
    assert tiles > 1
    assert short[-1].name == f"{tiles - 1} more tiles"
    assert short[-1].end == cost.cost.cycles


def read_back(content):
    """Events of a trace, by the classes that Perfetto's package has for its own format."""
    trace = Trace.FromString(content)
    names = {p.track_descriptor.uuid: p.track_descriptor.name for p in trace.packet}
    begun, found = {}, []
    for packet in trace.packet:
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            assert event.track_uuid not in begun
            begun[event.track_uuid] = packet
            continue
        assert event.type == TrackEvent.TYPE_SLICE_END
        first = begun.pop(event.track_uuid)
        notes = {
            n.name: n.string_value or n.uint_value for n in first.track_event.debug_annotations
        }
        found.append(
            (
                names[event.track_uuid], first.track_event.name, first.timestamp,
                packet.timestamp - first.timestamp, notes["primitive"],
            )
        )  # fmt: skip
    assert not begun
    return sorted(found)


def test_a_trace_read_by_perfettos_own_classes_has_every_event():
    unit = preset("davinci-310p")
    layer = convolution_layer("x", SITE, relu=True, form="xvolution-fused")
    (cost,) = cost_layers([layer], unit)
    events = timeline(cost, unit)
    content = perfetto_trace("fused", events)
    assert read_back(content) == sorted(
        (e.track, e.name, e.start, e.cycles, e.primitive) for e in events
    )
    assert content == perfetto_trace("fused", events)
    root, *tracks = (
        p.track_descriptor for p in Trace.FromString(content).packet[: 1 + len(TRACKS)]
    )
    assert root.name == "fused"
    assert [(each.name, each.parent_uuid) for each in tracks] == [(n, root.uuid) for n in TRACKS]


def test_the_command_writes_what_the_estimate_counts(tmp_path):
    path = tmp_path / "layer.pftrace"
    words = f"trace resnet34 -m tpu-v1 --stage conv4_x --form xvolution-fused --out {path} --layer"
    done = CliRunner().invoke(app, [*words.split(), "conv4_2.conv1"])
    assert done.exit_code == 0, done.output
    last = max(start + cycles for _, _, start, cycles, _ in read_back(path.read_bytes()))
    assert f"{last:,} cycles" in done.output
    again = subprocess.run(
        [sys.executable, "-c", "from hwsim.cli import main; main()", *words.split(), "conv9"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 2
    assert "layer of resnet34" in again.stderr
    assert again.stderr.count("\n") == 1
