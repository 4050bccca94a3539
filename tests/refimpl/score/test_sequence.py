"""Sequences: state, stalls and memory, by hand."""

import numpy as np

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.models import run
from refimpl.score.recipe import Recipe
from refimpl.score.sequence import GUARD, PREFILL, Before, image, is_sequential, ready_cycles
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices

BUGS = {each.id: each for each in CATALOGUE["conv2d.int8"].mutants if is_sequential(each)}


def conv(name, **recipe):
    return cook("conv2d.int8", Recipe(name=name, height=3, width=3, **recipe), Choices())


FIRST, SECOND = conv("first"), conv("second", ready="110")
BEFORE = Before(FIRST, run(FIRST))
HEALTHY = image(SECOND, BEFORE, None)
OUTPUT = run(SECOND)["output"].reshape(-1)


def faulty(bug, case=SECOND, before=BEFORE):
    return image(case, before, BUGS[bug])


def test_memory_holds_the_output_between_guards():
    assert HEALTHY[GUARD:-GUARD].tolist() == OUTPUT.tolist()
    assert set(HEALTHY[:GUARD]) == set(HEALTHY[-GUARD:]) == {PREFILL}


def test_a_ready_pattern_repeats():
    assert ready_cycles(SECOND, 7).tolist() == [True, True, False, True, True, False, True]


def test_a_dropped_word_moves_the_rest_up_and_leaves_the_end_unwritten():
    words = faulty("stall-drops")[GUARD:-GUARD]
    kept = [word for at, word in enumerate(OUTPUT.tolist()) if at % 3 != 2]
    assert words.tolist() == kept + [PREFILL] * (len(OUTPUT) - len(kept))


def test_a_repeated_word_pushes_the_last_ones_out():
    words = faulty("stall-repeats")[GUARD:-GUARD].tolist()
    expected = [w for at, w in enumerate(OUTPUT.tolist()) for _ in range(1 + (at % 3 == 2))]
    assert words == expected[: len(OUTPUT)]


def test_without_stalls_backpressure_bugs_do_not_show():
    for bug in ("stall-drops", "stall-repeats", "stall-overwrites"):
        healthy = image(FIRST, None, None)
        assert np.array_equal(image(FIRST, None, BUGS[bug]), healthy)


def test_a_full_last_tile_overwrites_guards_only_where_pixels_are_ragged():
    assert faulty("write-full-tile")[-GUARD] == 0  # 9 pixels in tiles of 4: 3 beyond
    assert faulty("write-full-tile")[-GUARD + 3] == PREFILL
    whole = conv("whole", padding=(1, 1), stride=(2, 2))  # 2×2 outputs
    assert np.array_equal(faulty("write-full-tile", whole), image(whole, BEFORE, None))


def test_the_last_word_of_the_case_before_stays_in_the_buffer():
    changed = dict(SECOND.tensors)
    x = changed["x"].copy()
    x.reshape(-1)[-1] = FIRST.tensors["x"].reshape(-1)[-1]
    by_hand = run(
        type(SECOND)(
            id="x",
            operator="conv2d",
            arithmetic="int8",
            attributes=SECOND.attributes,
            tensors=changed | {"x": x},
            stimulus={},
        )
    )["output"]
    assert faulty("stale-last-word")[GUARD:-GUARD].tolist() == by_hand.reshape(-1).tolist()


def test_a_missed_clear_starts_the_first_tile_from_the_last_sums_of_the_case_before():
    left = BEFORE.stages["accumulator"][-1].reshape(5, 9)[4:, 8:]  # 5 outputs, 9 pixels by fours
    sums = run(SECOND)["accumulator"].reshape(5, 9)[0, 0]
    assert faulty("clear-missed")[GUARD] != HEALTHY[GUARD] or left.item() == 0
    assert faulty("clear-missed")[GUARD + 1] == HEALTHY[GUARD + 1]
    assert sums is not None


def test_without_a_case_before_nothing_is_stale():
    for bug in ("stale-last-word", "stale-bias", "stale-zero-point", "clear-missed"):
        assert np.array_equal(faulty(bug, before=None), image(SECOND, None, None))
