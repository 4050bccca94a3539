"""A case as a TOSA test: ``desc.json``, ``test.tosa`` and its tensors as ``.npy``.

``tosa_graph.py`` says what each operator is in TOSA's own operators. TOSA's single rounding is our
``half_up``, its double rounding our ``tosa_double``. Its tools (``tosa-tools``) want a NumPy older
than ours may be: they live in an environment of their own, and this module says so where they are
not there.

Source: TOSA 1.0 specification, CONV2D and RESCALE; the desc.json of its conformance suite.
"""

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.bitexact.operators import OPERATORS
from refimpl.io.files import UnusableError
from refimpl.io.tosa_graph import MODES, Tools, Value, build, channels_last
from refimpl.vectors.case import Case
from refimpl.vectors.files.numpy_file import to_npy
from refimpl.vectors.formats import format_of
from refimpl.vectors.stages import stages

TOOLS = "tosa-tools==2026.8.0"
MODULES = (  # the first three are deprecated, and all there is
    "tosa.DType",
    "tosa.Op",
    "serializer.tosa_serializer",
    "tosa.RoundingMode",
)


def tosa_files(case: Case) -> Iterator[tuple[str, bytes]]:
    """Files of a TOSA test of one case, by name within its directory.

    Raises
    ------
    UnusableError
        If the case is none that TOSA can say, or TOSA's tools are not installed.
    """
    must_be_tosa(case)
    computed = stages(case)
    _must_be_in_range(case, computed)
    x, output = channels_last(case.tensors["x"]), channels_last(list(computed.values())[-1])
    flatbuffer, name = written(x, lambda tools, of: build(tools, case, of))
    double = case.attributes.get("rounding") == "tosa_double"
    yield "test.tosa", flatbuffer
    yield "desc.json", description(name, integer=case.arithmetic == "int8", double=double)
    yield "input-0.npy", to_npy(x, format_of(x))
    yield "expected-result-0.npy", to_npy(output, format_of(output))


def must_be_tosa(case: Case) -> None:
    """Refuse a case that TOSA cannot say to the bit.

    Raises
    ------
    UnusableError
        With what TOSA would need.
    """
    if case.operator not in OPERATORS or case.arithmetic not in ("int8", "fp32"):
        raise UnusableError(
            f"case {case.id} must be a {', '.join(OPERATORS)} in int8 or fp32 to be a TOSA case, "
            f"not {case.operator} in {case.arithmetic}"
        )
    if groups_of(case.attributes) != 1:
        raise UnusableError(
            f"case {case.id} must have 1 group, as CONV2D of TOSA has, not "
            f"{groups_of(case.attributes)}"
        )
    if case.arithmetic == "fp32":
        return
    rounding = case.attributes["rounding"]
    if rounding not in MODES:
        raise UnusableError(
            f"case {case.id} must round {' or '.join(MODES)}, TOSA's single and double rounding, "
            f"not {rounding}"
        )
    declared = case.attributes.get("accumulator", {})
    others = {"product", "clip", "output_format", "w_zero", "product_format"} & set(case.attributes)
    plain = declared.get("bits", 32) == 32 and declared.get("overflow", "wrap") == "wrap"
    if others or not plain:
        raise UnusableError(
            f"case {case.id} must have an int32 accumulator, an int8 product and output, and no "
            f"clip of its own to be a TOSA case"
        )


def _must_be_in_range(case: Case, computed: Mapping[str, Array]) -> None:
    """Refuse values that RESCALE may not be given: they must fit in as many bits as are shifted."""
    shifts = {"wide_product": "t_shift", "conv_biased": "shift_c", "attention_biased": "shift_a"}
    for stage, name in {**shifts, "attention_wide_product": "t_shift", "biased": "shift"}.items():
        if stage not in computed or name not in case.tensors:
            continue
        shift = case.tensors[name].astype(np.int64)[:, None, None]
        wide = computed[stage].astype(np.int64)
        half = np.int64(1) << (shift - 1)
        if ((wide < -half) | (wide >= half)).any():
            raise UnusableError(
                f"{stage} of case {case.id} must be smaller than 2^(shift - 1) everywhere to be "
                f"scaled by TOSA"
            )


def written(x: Array, make: Callable[[Tools, Value], Value]) -> tuple[bytes, str]:
    """A flatbuffer of the graph that ``make`` builds of the input ``x``; the input's name.

    Raises
    ------
    UnusableError
        If TOSA's tools are not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            numbers, operators, writer, modes = map(import_module, MODULES)
    except ImportError as error:
        raise UnusableError(
            f"TOSA cases need TOSA's own tools: pip install {TOOLS} 'numpy<2.2', in an "
            f"environment of its own"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        tools = Tools(
            graph=writer.TosaSerializer(folder),
            writer=writer,
            dtype=numbers.DType(),
            op=operators.Op(),
            rounding=modes.RoundingMode,
        )
        of = tools.input(np.ascontiguousarray(x))
        make(tools, of)
        return bytes(tools.graph.serialize()), of.tensor.name


def description(name: str, *, integer: bool, double: bool = False, wide: bool = False) -> bytes:
    """What TOSA's runner reads: which file is which tensor; ``wide`` has int16."""
    profiles = ["tosa-pro_int" if integer else "tosa-pro_fp"]
    extensions = {"tosa-ext_doubleround": double, "tosa-ext_int16": wide}
    said = {
        "tosa_file": "test.tosa",
        "ifm_name": [name],
        "ifm_file": ["input-0.npy"],
        "ofm_name": ["result-0"],
        "ofm_file": ["ref-result-0.npy"],
        "expected_failure": False,
        "expected_failure_desc": "",
        "profile": [*profiles, *(name for name, used in extensions.items() if used)],
    }
    return (json.dumps(said, indent=2) + "\n").encode()
