"""What is declared is computed, judged line by line, and refused where there is no such thing."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from refimpl import io
from refimpl.bitexact.formats import integers_of
from refimpl.bitexact.operators import ALL_OPERATORS, ARITHMETICS, PIPELINES
from refimpl.bitexact.records import PASSES, SHIFTED
from refimpl.bitexact.requantise import ROUNDINGS, Factor
from refimpl.cli import app
from refimpl.vectors.case import Choices
from refimpl.vectors.declare import declarable, must_concern, parsed, table_of
from refimpl.vectors.declare_tensors import narrowed
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import GROUPED, Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files
from tests.refimpl.bitexact.literal import RULES

SMALL = Sizes(batch=1, channels=3, outputs=2, height=4, width=4)
ATTENTION = ("global_attention", "local_attention")


def one(operator, arithmetic="int8", *, declare=(), sizes=SMALL, **choices):
    chosen = Choices(arithmetics=(arithmetic,), declared=parsed(declare), **choices)
    (case,) = random_cases([operator], sizes, chosen)
    return case


def float_even(a, scale, _):
    """fl32 of a product of two binary32 numbers, then the nearest integer, ties to even."""
    return round(Fraction(float(np.float32(np.float32(a) * scale))))


FACTORS = {  # what a stage before its clip is scaled from, and which factor it has
    "product_before_clip": ("wide_product", "t_{}"),
    "before_clip": ("biased", "{}"),
    "q_before_clip": ("q_biased", "{}_q"),
    "conv_before_clip": ("conv_biased", "{}_c"),
    "attention_before_clip": ("attention_biased", "{}_a"),
    "dproduct_before_clip": ("dproduct_accumulator", "d_{}"),
    "dx_before_clip": ("dx_accumulator", "{}"),
    "conv_upstream_before_clip": ("conv_wide_upstream", "u_{}_c"),
    "attention_product_before_clip": ("attention_wide_product", "t_{}"),
}
ZEROS = {
    "product_before_clip": "t_zero",
    "attention_product_before_clip": "t_zero",
    "before_clip": "y_zero",
    "q_before_clip": "q_zero",
    "dproduct_before_clip": "dproduct_zero",
    "dx_before_clip": "dx_zero",
    "conv_upstream_before_clip": "upstream_zero",
}


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_every_integer_operator_rounds_by_every_rule(operator, rounding):
    case = one(operator, rounding=rounding)
    assert by_the_rule(case, stages(case), RULES.get(rounding, float_even))


def by_the_rule(case, found, rule):
    """Every stage before a clip is the rule of what it is scaled from: how many were judged."""
    judged = 0
    rounding = case.attributes["rounding"]
    for name, (source, factor) in FACTORS.items():
        if name not in found or source not in found:
            continue
        m = case.tensors[factor.format("multiplier")]
        shift = factor.format("shift")
        assert (shift in case.tensors) == (rounding != "float_even")
        zero = case.attributes[ZEROS[name]] if name in ZEROS else 0
        s = case.tensors.get(shift, np.zeros(len(m), int))
        before, got = integers_of(found[source]), integers_of(found[name])
        for at in list(np.ndindex(before.shape))[:60]:
            c = at[1] if len(m) > 1 else 0
            multiplier = m[c] if rounding == "float_even" else int(m[c])
            assert got[at] == rule(int(before[at]), multiplier, int(s[c])) + zero
            judged += 1
    return judged


@pytest.mark.parametrize("rounding", ["float_even", "tosa_double", "half_away", "toward_zero"])
@pytest.mark.parametrize("operator", ALL_OPERATORS)
@pytest.mark.parametrize("arithmetic", ["int4", "int16"])
def test_rules_hold_line_by_line_in_other_widths(operator, arithmetic, rounding):
    lines_agree(one(operator, arithmetic, rounding=rounding))


@pytest.mark.parametrize("arithmetic", ["int4", "int8", "int16"])
@pytest.mark.parametrize("operator", ATTENTION)
def test_weights_without_a_softmax_spread_over_their_range(operator, arithmetic):
    sizes = Sizes(batch=1, channels=4, outputs=4, height=6, width=6)
    for rounding in ("half_up", "float_even"):
        case = one(operator, arithmetic, declare=["normalise=none"], sizes=sizes, rounding=rounding)
        found = lines_agree(case)
        for name in ("weights", "output"):
            assert len(np.unique(found[name].astype(np.int64))) > 8, name


def lines_agree(case):
    """Each line computed of the lines before it, is the pipeline."""
    computed, steps = stages(case), steps_of(case)
    assert list(steps) == list(computed)
    for name in steps:
        again = recompute(name, computed, case).array
        assert again.dtype == computed[name].dtype
        assert again.tobytes() == computed[name].tobytes(), name
    return computed


SOFTMAXES = [
    "probabilities.denominator=256",
    "probabilities.format=int16",
    "probabilities.format=bf16",
    "softmax.kind=integer",
    "softmax.exp.kind=table",
    "softmax.exp.kind=piecewise",
    "softmax.exp.kind=pow2_shift",
    "softmax.exp.kind=user_table",
    "softmax.reciprocal.kind=table",
    "softmax.normalise=divide",
    "softmax.format=bf16",
    "normalise=none",
]
MINE = dict([table_of("mine", np.linspace(0, 1, 257) ** 3)])


@pytest.mark.parametrize("softmax", SOFTMAXES)
@pytest.mark.parametrize("operator", ATTENTION)
@pytest.mark.parametrize("arithmetic", ["int8", "bf16"])
def test_every_softmax_there_is_can_be_declared_and_is_judged_line_by_line(
    operator, arithmetic, softmax, tmp_path
):
    if arithmetic == "bf16" and softmax.endswith(("integer", "256", "probabilities.format=bf16")):
        return  # of integers only, or what bf16 has undeclared
    texts = [softmax] + (["softmax.exp.entries=mine"] if "user" in softmax else [])
    tables = MINE if "user" in softmax else {}
    case = one(operator, arithmetic, declare=texts, tables=tables)
    plain = stages(one(operator, arithmetic))
    computed = lines_agree(case)
    changed = {name for name in plain if name not in computed or differ(computed, plain, name)}
    assert changed
    assert not changed & {"q", "k", "v", "scores"}
    assert len(np.unique(computed["output"].view(f"u{computed['output'].dtype.itemsize}"))) > 4
    io.write_directory(
        tmp_path / "set",
        set_files(
            [case],
            about=About(command="c", tool_version="0"),
            written=Written(kinds=("npy",)),
        ),
    )
    io.recompute(tmp_path / "set", io.read_manifest(tmp_path / "set"))


def differ(left, right, name):
    return left[name].shape != right[name].shape or left[name].tobytes() != right[name].tobytes()


def test_one_wrong_line_of_an_integer_softmax_errs_alone():
    case = one("local_attention", declare=["softmax.kind=integer"])
    right = stages(case)
    for name in ("row_maximum", "exp_input", "exp_output", "row_sum", "reciprocal"):
        wrong = {**right, name: right[name] + right[name].dtype.type(1)}
        assert differ({name: recompute(name, wrong, case).array}, wrong, name)
        following = list(right)[list(right).index(name) + 1]
        device = {**wrong, following: recompute(following, wrong, case).array}
        assert recompute(following, device, case).array.tobytes() == device[following].tobytes()


OTHERS = {
    "conv2d": ("accumulator.bits=14", "accumulator.overflow=saturate"),
    "pssa": ("product=wide",),
    "xvolution": ("clip=[0,50]",),
    "xvolution_fused": ("output_format=int16",),
    "shift_product": ("boundary=zero", "length=2"),
    "batch_norm": ("accumulator.bits=12",),
    "conv2d_backward": ("accumulator_dx.bits=16",),
    "pssa_backward": ("accumulator_shares.bits=14", "accumulator_shares.overflow=saturate"),
    "xvolution_backward": ("dproduct_format=int16",),
    "xvolution_training": ("rsqrt.kind=table", "accumulation_statistics.format=bf16"),
}


@pytest.mark.parametrize("operator", OTHERS)
def test_records_of_other_operators_are_declared_alike(operator):
    case = one(operator, declare=OTHERS[operator])
    plain = stages(one(operator))
    found = lines_agree(case)
    assert any(name not in found or differ(found, plain, name) for name in plain)


SUMMING = [
    (operator, name)
    for operator in ALL_OPERATORS
    for name in declarable(operator, "int8")
    if name.startswith("accumulator")
]


@pytest.mark.parametrize("rounding", ["half_up", "tflite_double", "half_even", "float_even"])
@pytest.mark.parametrize("bits", [33, 40, 48])
@pytest.mark.parametrize("operator", sorted({operator for operator, _ in SUMMING}))
def test_accumulators_of_up_to_48_bits_have_factors_that_fit_them(operator, bits, rounding):
    wide = [f"{name}.bits={bits}" for of, name in SUMMING if of == operator]
    more = [[]] if operator not in ATTENTION else [[], ["normalise=none"], ["softmax.kind=integer"]]
    for texts in more:
        case = one(operator, declare=[*wide, *texts], rounding=rounding)
        plain = one(operator, declare=texts, rounding=rounding)
        for name, now in factors(case).items():
            assert now == pytest.approx(factors(plain)[name], rel=2.0**-14), name
        found = lines_agree(case)
        judged = by_the_rule(case, found, RULES.get(rounding, float_even))
        assert judged or operator == "xvolution_training"
        output = found["dx" if operator.endswith("backward") else "output"]
        assert len(np.unique(output)) > 4


def factors(case):
    return {
        name: m.astype(float) / 2.0 ** case.tensors.get(name.replace("multiplier", "shift"), 0)
        for name, m in case.tensors.items()
        if "multiplier" in name
    }


def test_a_narrowed_factor_is_the_nearest_of_so_many_bits():
    for m in (2**30, 2**30 + 2**14, 2**30 + 2**15, 2**31 - 1, 2**31 - 2**15, 3 * 2**29 + 1, 7):
        (found, s) = (each.item() for each in narrowed(Factor(np.array([m]), np.array([33])), 15))
        assert found < 2**15
        near = min(
            (
                abs(Fraction(each, 2**k) - Fraction(m, 2**33))
                for k in (16, 17, 18, 33)
                for each in (*range(max(found - 3, 0), found + 4), 2**14, 2**15 - 1)
            ),
        )
        assert abs(Fraction(found, 2**s) - Fraction(m, 2**33)) == near


@pytest.mark.parametrize("arithmetic", ["int8", "int16", "fp32"])
@pytest.mark.parametrize(
    "directions", [[[0, 1]], [[0, 1], [-1, 0]], [[a, b] for a in (1, 2) for b in (-1, 0, 3)]]
)
@pytest.mark.parametrize("operator", [each for each in ALL_OPERATORS if each in SHIFTED])
def test_directions_of_any_number_are_declared_and_kernels_drawn_for_them(
    operator, directions, arithmetic
):
    sizes = Sizes(batch=2, channels=4, outputs=2, height=4, width=4)
    if operator in GROUPED:
        sizes = replace(sizes, groups=2)
    case = one(operator, arithmetic, declare=[f"directions={directions}"], sizes=sizes)
    found = lines_agree(case)
    (shifted,) = (found[name] for name in found if name.endswith("shifted"))
    assert shifted.shape[1] == 4 * len(directions)
    assert len(np.unique(list(found.values())[-1])) > 8


@pytest.mark.parametrize("directions", ["[]", "[[0,0]]", "[[1]]", "3", "[[0.5,1]]"])
def test_directions_that_are_none_are_refused(directions):
    with pytest.raises(
        ValueError, match=r"directions must be a sequence of offsets|a direction mus"
    ):
        one("pssa", declare=[f"directions={directions}"])


@pytest.mark.parametrize(
    ("operator", "arithmetic", "name"),
    [
        *((of, "int8", name) for of, name in SUMMING if of not in PASSES["accumulator"]),
        ("xvolution_backward", "int8", "accumulator_dw"),
        ("global_attention", "fp32", "accumulation_scores"),
        ("conv2d_backward", "bf16", "accumulation_dw"),
        ("xvolution_backward", "fp32", "accumulation"),
    ],
)
def test_passes_that_nothing_shows_are_refused(operator, arithmetic, name):
    with pytest.raises(ValueError, match=f"{name}.pass_terms is read only (where|by a sum)"):
        one(operator, arithmetic, declare=[f"{name}.pass_terms=2"])


@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
@pytest.mark.parametrize("operator", PASSES["accumulator"])
def test_passes_are_stages_of_every_operator_that_takes_them(operator, arithmetic):
    name = "accumulator" if arithmetic == "int8" else "accumulation"
    if operator not in PASSES[name]:
        return
    found = lines_agree(one(operator, arithmetic, declare=[f"{name}.pass_terms=5"]))
    assert sum("partial_" in stage for stage in found) > 1


LIMITS = {"int4": (-8, 7), "uint8": (0, 255), "int16": (-(2**15), 2**15 - 1)}
FORMATTED = [each for each in ALL_OPERATORS if "output_format" in declarable(each, "int8")]


@pytest.mark.parametrize("into", LIMITS)
@pytest.mark.parametrize("operator", FORMATTED)
@pytest.mark.parametrize("more", [(), ("probabilities.format=bf16",)])
def test_an_output_saturates_to_its_declared_format_and_so_do_the_branches_it_adds(
    operator, into, more
):
    if more and operator not in ATTENTION:
        return
    found = lines_agree(one(operator, declare=(f"output_format={into}", *more)))
    low, high = LIMITS[into]
    for name in (
        ("output", "conv_output", "attention_output") if "conv_output" in found else ("output",)
    ):
        assert found[name].dtype.name == into, name
        before = found[name.replace("output", "before_clip")]
        expected = [max(low, min(high, int(each))) for each in before.reshape(-1)]
        assert integers_of(found[name]).reshape(-1).tolist() == expected
    if operator == "xvolution":
        parts = (integers_of(found[f"{each}_output"]) for each in ("conv", "attention"))
        zero = one(operator).attributes["y_zero"]
        np.testing.assert_array_equal(found["before_clip"], sum(parts) + zero)


@pytest.mark.parametrize(
    ("operator", "declared"),
    [
        ("conv2d", ("accumulation.lanes=4", "accumulation.lane_order=tree")),
        ("pssa", ("product_cast.format=bf16",)),
        ("xvolution", ("accumulation.format=fp16",)),
        ("batch_norm", ("statistics=batch",)),
        ("xvolution_training", ("accumulation_statistics.order=ijn",)),
        ("conv2d_backward", ("accumulation_dw.order=jin",)),
        (
            "global_attention",
            ("accumulation_context.lanes=4", "accumulation_context.lane_order=exact"),
        ),
    ],
)
def test_records_of_floats_are_declared_alike(operator, declared):
    sizes = Sizes(batch=2, channels=3, outputs=2, height=5, width=5)
    case = one(operator, "fp32", declare=declared, sizes=sizes)
    plain = stages(one(operator, "fp32", sizes=sizes))
    found = lines_agree(case)
    assert any(name not in found or differ(found, plain, name) for name in plain)


def test_a_declared_case_has_an_id_of_its_own_and_draws_the_same_numbers():
    plain, wide, zero = (
        one("pssa", declare=each) for each in ((), ["product=wide"], ["boundary=zero"])
    )
    assert len({plain.id, wide.id, zero.id}) == 3
    assert wide.id.startswith(plain.id)
    assert plain.tensors["x"].tobytes() == wide.tensors["x"].tobytes()


def test_a_declaration_changes_only_cases_that_have_the_record():
    choices = Choices(declared=parsed(["product=wide"]))
    cases = random_cases(["conv2d", "pssa"], SMALL, choices)
    must_concern(cases, choices)
    plain = random_cases(["conv2d", "pssa"], SMALL, Choices())
    assert [a.id == b.id for a, b in zip(cases, plain, strict=True)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["softmax"], "must be NAME=VALUE, as in softmax.exp.kind=table, not 'softmax'"),
        (["a..b=1"], "must be NAME=VALUE"),
        (["softmax=1", "softmax.kind=integer"], "softmax must be declared as a value or by its"),
        (["a.b=1", "a.b=2"], "a.b must be declared once"),
    ],
)
def test_what_is_no_declaration_is_refused(texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        parsed(texts)


@pytest.mark.parametrize(
    ("operator", "text", "sentence"),
    [
        ("conv2d", "output_format=fp16", "output_format must be an integer format, int4, int8, "),
        ("batch_norm", "output_format=3", "output_format must be an integer format, .* not 3"),
        ("pssa", "product_format=bf16", "product_format must be an integer format, .* not 'bf16'"),
        ("pssa_backward", "dproduct_format=fp32", "dproduct_format must be an integer format"),
        ("conv2d", "clip=[60,0]", r"clip must be \[low, high\] with low <= high, within \[-128, "),
        ("conv2d", "clip=[0,600]", r"of the output's format int8, not \[0, 600\]"),
        ("conv2d_backward", "clip=[-200,0]", r"within \[-128, 127\] of the output's format int8"),
        ("xvolution_training", "clip=[3]", r"clip must be two integers \[low, high\], not \[3\]"),
        ("xvolution", "clip=[0.5,3]", r"clip must be two integers \[low, high\], not \[0.5, 3\]"),
        ("pssa", "clip=7", r"clip must be two integers \[low, high\], not 7"),
    ],
)
def test_a_format_or_limits_that_no_output_can_have_are_refused(operator, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        stages(one(operator, declare=[text]))


def test_limits_may_be_those_of_a_wider_output():
    found = stages(one("conv2d", declare=["output_format=int16", "clip=[-5,300]"]))
    assert (found["output"].min(), found["output"].max()) == (-5, 300)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("softmax.speed=1", "a softmax of kind float must have the fields kind, format, exp"),
        ("softmax.kind=fuzzy", "the softmax here must be of kind float, not 'fuzzy'"),
        ("softmax.normalise=x", "a softmax must normalise by reciprocal or divide, not 'x'"),
        ("softmax.exp.kind=cordic", "kind of function must be one of correct"),
        ("accumulator.bits=4", "an integer accumulator must have 8 to 48 bits, not 4"),
        ("accumulator.bits=x", "must be fields and values of its records"),
        ("softmax=3", "must be fields and values of its records"),
        ("normalise=sometimes", "normalise must be softmax or none, not 'sometimes'"),
    ],
)
def test_a_record_without_such_a_field_or_value_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        one("global_attention", declare=[text])


def test_what_concerns_no_case_is_refused_with_what_does():
    choices = Choices(declared=parsed(["product=wide"]))
    with pytest.raises(ValueError, match=r"declared must be of accumulator, .*, not 'product'"):
        must_concern(random_cases(["conv2d"], SMALL, choices), choices)
    unused = Choices(tables=MINE)
    with pytest.raises(ValueError, match="a declaration must name table mine"):
        must_concern(random_cases(["conv2d"], SMALL, unused), unused)


def test_tables_are_rows_of_numbers_in_a_format():
    assert table_of("mine:bf16", np.array([0.5]))[1].dtype.name == "bfloat16"
    assert table_of("exp_table", np.array([7, 70000]))[1].tolist() == [7, 65535]
    for text, array, sentence in (
        ("mine:posit", np.zeros(3), "must be NAME or NAME:FORMAT"),
        ("1", np.zeros(3), "must be NAME or NAME:FORMAT"),
        ("mine", np.zeros((2, 2)), "must be one row of finite numbers"),
        ("mine", np.array([np.nan]), "must be one row of finite numbers"),
    ):
        with pytest.raises(ValueError, match=sentence):
            table_of(text, array)


@pytest.mark.parametrize(("operator", "arithmetic"), sorted(PIPELINES))
def test_every_operator_has_something_to_declare(operator, arithmetic):
    names = declarable(operator, arithmetic)
    assert names == tuple(dict.fromkeys(names))
    assert names
    assert arithmetic in ARITHMETICS


def test_a_set_with_a_users_own_table_is_written_verified_and_written_again(tmp_path):
    np.save(tmp_path / "row.npy", np.exp(np.linspace(-16, 0, 33)))
    words = "--operator global_attention --arithmetic int8 --height 3 --width 3 --files npy "
    words += "--declare softmax.exp.kind=user_table --declare softmax.exp.index_bits=5 "
    words += f"--declare softmax.exp.entries=mine --table mine={tmp_path / 'row.npy'}"
    done = CliRunner().invoke(app, ["vectors", str(tmp_path / "set"), *words.split()])
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(app, ["verify", str(tmp_path / "set"), "--recompute"])
    assert "and as written again" in again.output
    manifest = io.read_manifest(tmp_path / "set")
    assert "--declare softmax.exp.kind=user_table" in manifest.command
    (entry,) = manifest.cases
    assert "user_table" not in entry.arithmetic["exp"]
    assert entry.arithmetic["exp"].startswith("exp in fp32: tensor mine, 2^5 intervals")
    assert "mine" in [tensor.name for tensor in entry.tensors if tensor.role == "input"]
