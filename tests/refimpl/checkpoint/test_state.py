"""A state dict fused is the same function, key by key, and nothing in it is silently forgotten."""

import numpy as np
import pytest

import refimpl as ref
from refimpl.checkpoint import KeyMap, fuse_state, parse_map
from refimpl.checkpoint.keys import ARRAY_NAMES
from refimpl.forms import FORMS, run_fused
from tests.refimpl.checkpoint.states import C, O, attending, shifted

NONE = KeyMap()
LOCAL = {"operator": "xvolution_local", "normalise": "softmax"}
GLOBAL = {"operator": "xvolution_global", "normalise": "none"}
OTHERS = {
    "bn.num_batches_tracked": np.array(3),
    "fc.weight": np.ones((10, O)),
    "fc.bias": np.zeros(10),
    "stem.w": np.ones(3),
}


def batch_norm_of(state, name):
    members = ("weight", "bias", "running_mean", "running_var")
    return ref.BatchNorm(*(state[f"{name}.{member}"] for member in members))


def test_the_fused_arrays_are_what_xvolution_fused_needs():
    state, x = shifted(), np.random.default_rng(5).standard_normal((2, C, 5, 6))
    fused = fuse_state(state, NONE, {"stride": 2, "boundary": "zero", "length": 2})
    expected = ref.xvolution(
        x,
        state["block.mix.conv_c.weight"],
        state["block.mix.conv_a.weight"],
        batch_norm_of(state, "block.mix.bn_c"),
        batch_norm_of(state, "block.mix.bn_a"),
        stride=2,
        boundary="zero",
        length=2,
    )
    w, b = fused.arrays["block.mix.w"], fused.arrays["block.mix.b"]
    y = ref.xvolution_fused(x, w, b, stride=2, boundary="zero", length=2)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("state", "attributes", "form"),
    [
        *((shifted(biased=True), {}, form) for form in FORMS["pssa"] if form != "tied"),
        (shifted(kernel=1), {"stride": 2, "dilation": 2, "directions": "four"}, "two-pass"),
        (attending(), LOCAL, "kernel"),
        (attending(), LOCAL | {"window": 5, "stride": 2, "normalise": "none"}, None),
        (attending(), GLOBAL, "sa"),
        (attending(output=True), GLOBAL | {"heads": 2, "stride": [2, 1], "scale": 0.25}, None),
    ],
)
def test_every_form_passes_its_own_check_far_within_the_bound(state, attributes, form):
    fused = fuse_state(state, NONE, attributes, form=form)
    (check,) = fused.checks
    assert check.passed
    assert check.of_bound < 0.5
    assert check.rounded == check.difference


@pytest.mark.parametrize("name", ["w_c", "w_a", "b"])
def test_the_check_notices_one_weight_that_is_off_in_its_tenth_digit(name, monkeypatch):
    def off(fused, x):
        arrays = {key: array.copy() for key, array in fused.arrays.items()}
        arrays[name].flat[1] *= 1 + 1e-10
        return run_fused(type(fused)(**_fields(fused) | {"arrays": arrays}), x)

    monkeypatch.setattr("refimpl.checkpoint.check.run_fused", off)
    (check,) = fuse_state(shifted(), NONE, {}, form="two-pass").checks
    assert not check.passed


def _fields(value):
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}


@pytest.mark.parametrize("prefix", ["", "a.", "a.b.", "layer/"])
def test_a_site_may_stand_anywhere(prefix):
    fused = fuse_state(shifted(prefix), NONE, {})
    assert [site.name for site in fused.sites] == [prefix[:-1]]
    head = f"{prefix[:-1]}." if prefix else ""
    assert set(fused.arrays) == {f"{head}w", f"{head}b"}


def test_our_own_names_and_those_of_pytorch_are_the_same_arrays():
    theirs = shifted("")
    ours = {ARRAY_NAMES[key]: array for key, array in theirs.items() if key in ARRAY_NAMES}
    assert len(ours) == 10
    found = fuse_state(ours, NONE, {}).arrays
    for key, array in fuse_state(theirs, NONE, {}).arrays.items():
        np.testing.assert_array_equal(found[key], array)


def test_other_layers_are_carried_along_and_counted():
    fused = fuse_state({**shifted(), **shifted("c.", seed=1), **OTHERS}, NONE, {})
    for key, array in OTHERS.items():
        assert fused.arrays[key] is array
    assert [site.name for site in fused.sites] == ["block.mix", "c"]
    assert fused.coverage == (
        "28 keys: 20 fused into 2 X-volutions, 4 of other layers, 4 left out, 0 not recognised"
    )


def test_a_key_below_a_site_that_is_no_array_of_it_is_named_with_the_nearest():
    state = shifted()
    state["block.mix.bn_c.runing_var"] = state.pop("block.mix.bn_c.running_var")
    with pytest.raises(ValueError, match="every key must be recognised") as error:
        fuse_state(state, NONE, {})
    expected = "'block.mix.bn_c.runing_var' (nearest: 'block.mix.bn_c.running_var')"
    assert expected in str(error.value)


def test_unknown_keys_are_carried_along_where_that_is_meant():
    extra = {"block.mix.gate": np.ones(2), "mystery": np.ones(1)}
    with pytest.raises(ValueError, match=r"'block.mix.gate'.*'mystery'"):
        fuse_state({**shifted(), **extra}, NONE, {})
    fused = fuse_state({**shifted(), **extra}, NONE, {}, partial=True)
    assert set(extra) < set(fused.arrays)


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("conv_a.weight", "site 'block.mix' must hold w_a, or w_q, w_k and w_v, beside w_c"),
        ("bn_a.running_var", "site 'block.mix' must hold bn_a.var beside bn_a.gamma, bn_a.beta"),
        ("conv_c.weight", "the weights must hold an X-volution"),
    ],
)
def test_a_missing_array_is_named(missing, sentence):
    state = shifted()
    del state[f"block.mix.{missing}"]
    with pytest.raises(ValueError, match=sentence):
        fuse_state(state, NONE, {}, partial=True)


@pytest.mark.parametrize(
    ("key", "array", "sentence"),
    [
        ("conv_a.weight", np.ones((O, 5, 3, 3)), "w_a must have shape (4, 12, 3, 3), not (4, 5"),
        ("conv_c.weight", np.ones((O, C)), "w_c must have four axes, none empty, not (4, 3)"),
        ("conv_c.weight", np.ones((O, 0, 3, 3)), "w_c must have four axes, none empty"),
        ("bn_c.bias", np.ones(3), "bn_c.beta must have shape (4,), not (3,)"),
        ("bn_c.running_var", -np.ones(O), "bn_c.var must not be negative, not reach -1"),
        ("bn_c.weight", np.ones(O, int), "bn_c.gamma must hold numbers of type float16, bfloat16"),
        ("bn_c.weight", np.full(O, np.nan), "must be finite, not hold NaN or infinity (4 of 4)"),
    ],
)
def test_an_array_that_is_not_what_it_must_be_is_named(key, array, sentence):
    with pytest.raises(ValueError, match=r"block\.mix") as error:
        fuse_state(shifted() | {f"block.mix.{key}": array}, NONE, {})
    assert sentence in str(error.value)


def test_attention_by_projections_must_be_said_to_be_local_or_global_and_normalised_how():
    with pytest.raises(ValueError, match="must be said to be xvolution_local or xvolution_global"):
        fuse_state(attending(), NONE, {})
    with pytest.raises(ValueError, match="must be said to normalise its scores by none or softmax"):
        fuse_state(attending(), NONE, {"operator": "xvolution_local"})
    with pytest.raises(ValueError, match="must hold w_a: pssa needs it"):
        fuse_state(attending(), NONE, {"operator": "xvolution"})


def test_a_condition_that_fails_comes_with_the_name_of_the_site():
    with pytest.raises(ValueError, match=r"^site 'block.mix': no softmax: global attention"):
        fuse_state(attending(), NONE, GLOBAL | {"normalise": "softmax"})


def test_what_nobody_said_is_recorded_as_assumed():
    (site,) = fuse_state(shifted(), NONE, {"length": 2, "eps": 1e-3}).sites
    assert site.attributes["length"] == 2
    assert site.assumed == ("directions", "boundary", "groups", "stride", "dilation")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_widened_once_and_rounded_once(dtype):
    state = {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in shifted().items()}
    exact = fuse_state(state, NONE, {}, dtype="float64")
    for key, array in fuse_state(state, NONE, {}).arrays.items():
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, exact.arrays[key].astype(dtype))


def test_of_several_types_the_widest_is_written():
    state = {k: a.astype(np.float16) if a.dtype.kind == "f" else a for k, a in shifted().items()}
    state["block.mix.bn_c.bias"] = state["block.mix.bn_c.bias"].astype(np.float32)
    arrays = fuse_state(state, NONE, {}).arrays.values()
    assert {array.dtype.name for array in arrays} == {"float32"}


def test_numbers_beyond_the_written_type_are_refused():
    state = shifted() | {"block.mix.bn_c.weight": np.full(O, 1e6)}
    with pytest.raises(ValueError, match=r"block.mix.b must fit in float16|block.mix.w must fit"):
        fuse_state(state, NONE, {}, dtype="float16")


def test_a_mapping_sends_own_names_to_sites_with_their_attributes():
    state = {
        key.replace("block.mix.conv_", "net.3.mix.k_").replace("block.mix.bn", "net.3.mix.n"): array
        for key, array in shifted().items()
    } | {"head.junk": np.ones(1)}
    members = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}
    document = {
        "keys": {
            **{f"net.{{i}}.mix.k_{of}.weight": f"block{{i-1}}/w_{of}" for of in "ca"},
            **{
                f"net.{{i}}.mix.n_{of}.{key}": f"block{{i-1}}/bn_{of}.{ours}"
                for of in "ca"
                for key, ours in members.items()
            },
            "net.{i}.mix.n_{of}.num_batches_tracked": "",
            "head.{anything}": "",
        },
        "attributes": {"boundary": "zero"},
        "sites": {"block2": {"stride": 2}},
    }
    fused = fuse_state(state, parse_map(document), {})
    (site,) = fused.sites
    assert (site.name, site.trained.boundary, site.trained.stride) == ("block2", "zero", (2, 2))
    expected = fuse_state(shifted(), NONE, {"boundary": "zero", "stride": 2}).arrays
    assert set(fused.arrays) == {"block2.w", "block2.b"}
    np.testing.assert_array_equal(fused.arrays["block2.w"], expected["block.mix.w"])


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "a mapping must have the tables keys, attributes, sites only, not []"),
        ({"key": {}}, "a mapping must have the tables keys, attributes, sites only, not ['key']"),
        ({"keys": 3}, "[keys] of a mapping must be a table, not 3"),
        ({"sites": {"a": 1}}, '[sites."a"] of a mapping must be a table, not 1'),
        ({"keys": {"a": "w"}}, "key 'a' of a mapping must be sent to \"site/array\", not 'w'"),
        ({"keys": {"a": "{i}/w_c"}}, "{i} in '{i}/w_c' must stand in its key 'a', too"),
        ({"keys": {"{no}": "{no+1}/w"}}, "{no+1} in '{no+1}/w' must be a number, a single letter"),
    ],
)
def test_a_mapping_that_is_none_is_refused(document, sentence):
    with pytest.raises(ValueError, match=r"mapping|must") as error:
        parse_map(document)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"keys": {"block.mix.conv_c.weight": "x/w_x"}}, "must be mapped to one of w_c, w_a, w_q"),
        (
            {"keys": {"block.{part}.conv_c.weight": "x/w_c", "{head}.mix.conv_c.weight": "x/w_c"}},
            "must fit one pattern of the mapping",
        ),
        ({"keys": {"block.mix.bn_c.bias": "block.mix/w_c"}}, "must come from one key, not from"),
        ({"sites": {"nowhere": {}}}, "must be one of 'block.mix', not 'nowhere'"),
        ({"attributes": {"lenght": 2}}, "an attribute must be one of operator, directions, length"),
    ],
)
def test_a_mapping_that_does_not_fit_the_keys_is_refused(document, sentence):
    with pytest.raises(ValueError, match=sentence):
        fuse_state(shifted(), parse_map(document), {})
