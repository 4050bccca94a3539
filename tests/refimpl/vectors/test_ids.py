"""The same id means the same bytes: whatever is chosen, and wherever a case comes from."""

from collections import defaultdict
from dataclasses import replace
from hashlib import sha256
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.operators import ALL_OPERATORS, ARITHMETICS, FLOAT_ARITHMETICS
from refimpl.bitexact.requantise import ALL_RULES, ROUNDINGS
from refimpl.nets.graph import Network, Node
from refimpl.onnx_graph.upstream import Convolution
from refimpl.score.select import default_cases
from refimpl.score.target import target_of
from refimpl.vectors import stimuli
from refimpl.vectors.case import Choices, bare_name, content_digest, identified
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.dut import Dut
from refimpl.vectors.dut_cases import dut_cases
from refimpl.vectors.network import inputs_of, network_cases, prepare
from refimpl.vectors.onnx_node import onnx_cases
from refimpl.vectors.shrink import shrink
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, run

SMALL = Sizes(batch=1, channels=2, outputs=2, height=3, width=4)
SHOWN = [{}, {"im2col": "uvc"}, {"im2col": "cuv"}, {"k_tile": 2}, {"k_tile": 5, "im2col": "cuv"}]


def content(case):
    """Hash of every array of a case: inputs and stages, whatever the id is."""
    seen = sha256()
    for name, array in {**case.tensors, **stages(case)}.items():
        seen.update(f"{name} {array.dtype.name} {array.shape}".encode() + array.tobytes())
    return seen.hexdigest()


def shared(cases):
    """Ids that stand for more than one content."""
    found = defaultdict(set)
    for case in cases:
        found[case.id].add(content(case))
    return sorted(name for name, contents in found.items() if len(contents) > 1)


def chosen(arithmetic):
    """Every choice of a set's arithmetic that has a default."""
    if arithmetic in FLOAT_ARITHMETICS:
        kinds = product(("cuv", "uvc", "vuc"), ("first", "last"), SHOWN)
        return [Choices(arithmetics=(arithmetic,), order=o, bias_at=b, **s) for o, b, s in kinds]
    kinds = product(ROUNDINGS, SHOWN)
    return [Choices(arithmetics=(arithmetic,), rounding=r, **s) for r, s in kinds]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_no_choice_makes_other_bytes_of_an_id(operator, arithmetic):
    cases = [case for own in chosen(arithmetic) for case in random_cases([operator], SMALL, own)]
    assert shared(cases) == []
    plain = Choices(arithmetics=(arithmetic,))
    (default,) = random_cases([operator], SMALL, plain)
    assert bare_name(default.id) == default.id
    assert {bare_name(case.id) for case in cases} == {default.id}
    assert content(default) in {content(case) for case in cases if case.id == default.id}


def test_without_the_digest_ids_would_be_shared(monkeypatch):
    monkeypatch.setattr(stimuli, "identified", lambda case, default: case)
    for arithmetic in ("int8", "fp32"):
        cases = [case for own in chosen(arithmetic) for case in random_cases(["pssa"], SMALL, own)]
        assert shared(cases) == [f"pssa-{arithmetic}-n1c2o2h3w4k3s1-0"]


DECLARED = [
    {},
    {"boundary": "zero"},
    {"length": 2},
    {"product": "wide"},
    {"accumulator": {"bits": 20, "overflow": "wrap"}},
    {"clip": [-9, 9]},
]


@given(
    rounding=st.sampled_from(tuple(ROUNDINGS)),
    declared=st.sampled_from(DECLARED),
    seed=st.sampled_from(["0", "1", "0-12345678", "20261126"]),
    stride=st.sampled_from([1, 2]),
    groups=st.sampled_from([1, 2]),
)
@settings(deadline=None, max_examples=40)
def test_what_is_declared_beside_a_rule_makes_an_id_of_its_own(
    rounding, declared, seed, stride, groups
):
    sizes = replace(SMALL, stride=stride, groups=groups)
    own = Choices(arithmetics=("int8",), rounding=rounding, declared=declared)
    for case in random_cases(["pssa"], sizes, own, seed=seed):
        OF_DECLARED.setdefault(case.id, content(case))
        assert OF_DECLARED[case.id] == content(case)


OF_DECLARED = {}


def test_a_seed_that_looks_like_a_digest_is_followed_by_one():
    int8 = Choices(arithmetics=("int8",))
    for seed in ("20261126", "a-20261126"):
        (case,) = random_cases(["conv2d"], SMALL, int8, seed=seed)
        assert bare_name(case.id) == f"conv2d-int8-n1c2o2h3w4k3s1-{seed}"


def test_a_digest_follows_from_the_content_and_from_nothing_else():
    (case,) = random_cases(["conv2d"], SMALL, Choices(arithmetics=("int8",)))
    again = replace(
        case,
        tensors=dict(reversed(case.tensors.items())),
        attributes=dict(reversed(case.attributes.items())),
        stimulus={"class": "other"},
    )
    name = identified(case).id
    assert identified(again).id == name
    for tensor, array in case.tensors.items():
        other = array.copy()
        other.flat[-1] ^= 1
        changed = replace(case, tensors={**case.tensors, tensor: other})
        assert identified(changed).id != name, tensor
    for key in case.attributes:
        assert identified(replace(case, attributes={**case.attributes, key: 99})).id != name, key


def test_layers_of_two_pictures_have_ids_apart():
    node = {"attributes": {"stride": (1, 1), "padding": (1, 1)}, "inputs": ("image",)}
    network = Network(
        name="one",
        nodes=(
            Node(name="conv1", kind="conv2d", shapes={"w": (2, 3, 3, 3)}, **node),
            Node(name="conv1.bn", kind="batch_norm", inputs=("conv1",), shapes={"bn": (2,)}),
        ),
    )
    cases = []
    for seed in (1, 2):
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
        for side in (6, 8):
            ready = prepare(network, pixels, side=side, keep=inputs_of(network, ["conv1"]))
            cases += network_cases(ready, ["conv1"], Choices(), stimulus={})[0]
    assert shared(cases) == []
    assert {bare_name(case.id) for case in cases} == {"conv1-conv2d-int8", "conv1-conv2d-fp32"}


def test_a_model_on_two_inputs_has_ids_apart():
    draw = np.random.default_rng(3).standard_normal
    w, b = draw((2, 3, 3, 3)).astype(np.float32), draw(2).astype(np.float32)
    cases = []
    for _ in range(2):
        x = draw((1, 3, 5, 5)).astype(np.float32)
        of = Convolution(x=x, w=w, b=b, stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)
        cases += onnx_cases(of, "conv_7", Choices(), stimulus={})
    assert shared(cases) == []
    assert len({case.id for case in cases}) == len(cases)


def test_chains_that_begin_otherwise_have_ids_apart():
    links = [("conv2d", "pssa"), ("pssa", "pssa"), ("xvolution_fused", "pssa")]
    cases = [
        case
        for operators, rounding in product(links, ("half_up", "floor"))
        for case in chained_cases(operators, SMALL, Choices(rounding=rounding))
    ]
    assert shared(cases) == []


def test_devices_with_other_tiles_and_orders_have_ids_apart():
    def device(**features):
        small = {"strides": (1,), "dilations": (1,), "kernels": (3,), "groups": (1,)}
        own = {"operators": ("conv2d", "pssa"), "arithmetics": ("int8", "fp32")}
        tile = {"channels": 2, "outputs": 2, "pixels": 4}
        return Dut(name="d", tile=tile, features={**small, **own, **features})

    duts = [
        device(),
        device(order="uvc"),
        device(bias="first"),
        device(roundings=("floor", "half_even")),
        device(roundings=("half_even", "floor")),
    ]
    assert shared(case for dut in duts for case in dut_cases(dut)[0]) == []


def test_designed_sets_of_other_rules_and_devices_have_ids_apart():
    operators = ["conv2d.int8", "global_attention.int8", "shift_product.int8"]
    tiles = {"channels": 3, "outputs": 3, "pixels": 5}
    target = target_of(Dut.model_validate({"name": "npu", "tile": tiles}, strict=False))
    default = default_cases(operators)
    others = [
        case
        for rounding in ALL_RULES
        for case in default_cases(operators, Choices(rounding=rounding))
    ]
    fitted = default_cases(operators, target=target)
    assert shared([*default, *others, *fitted]) == []
    assert all(bare_name(case.id) == case.id for case in default)
    assert {case.id for case in fitted} - {case.id for case in default}


def test_the_smallest_cases_of_two_mismatches_have_ids_apart():
    (case,) = random_cases(["conv2d"], replace(SMALL, batch=2), Choices(arithmetics=("int8",)))
    golden = stages(case)
    small = []
    for index in ((0, 0, 1, 1), (1, 1, 2, 2)):
        output = golden["output"].copy()
        output[index] ^= 64
        small.append(shrink(case, golden, {"output": output}, "output", index).case)
    floor = run(VARIANTS["rounding-floor"], case)["output"]
    index = tuple(int(step) for step in np.argwhere(floor != golden["output"])[0])
    small.append(shrink(case, golden, {"output": floor}, "output", index).case)
    assert shared(small) == []
    assert len({case.id for case in small}) == len(small)


def test_an_id_is_of_values_not_of_the_spare_bits_that_carry_int4():
    (case,) = random_cases(["conv2d"], SMALL, Choices(arithmetics=("int4",), rounding="floor"))
    masked = {
        name: each.astype(np.int8).astype(each.dtype) for name, each in case.tensors.items()
        if each.dtype.name == "int4"
    }  # fmt: skip
    assert any(masked[name].tobytes() != case.tensors[name].tobytes() for name in masked)
    again = replace(case, tensors={**case.tensors, **masked})
    assert content_digest(again) == content_digest(case)
    assert case.id.endswith(content_digest(case))
