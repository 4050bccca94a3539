"""What arrays do not tell of an X-volution: directions, shift, boundary, stride, ε and the rest.

    operator     xvolution, xvolution_local, xvolution_global    with w_a: xvolution
    directions   four, eight, or words: left, right, up, up-left …; or pairs [[0, -1], …]
    length       shift in pixels, L                          1
    boundary     of the shift: circular, zero                circular
    stride       a number or a pair                          1
    dilation     a number or a pair                          1
    groups       of the convolution, of the attention        [1, 1]
    window       of local attention                          3
    heads        of global attention                         1
    scale        of attention's scores                       1/√(d/heads) with softmax, 1 without
    normalise    of attention's scores: none, softmax        to be said
    eps          of both normalisations                      1e-5

The defaults are those of ``refimpl``; what was assumed is recorded with what was fused.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from refimpl.arrays import is_integer, pair
from refimpl.forms import Attention
from refimpl.ops.shift_product import EIGHT_DIRECTIONS, FOUR_DIRECTIONS, Directions, offsets

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "operator": None,
        "directions": FOUR_DIRECTIONS,
        "length": 1,
        "boundary": "circular",
        "stride": 1,
        "dilation": 1,
        "groups": (1, 1),
        "window": 3,
        "heads": 1,
        "scale": None,
        "normalise": "none",
        "eps": 1e-5,
    }
)
ATTENTION_OF: Mapping[str, Attention] = MappingProxyType(
    {
        "xvolution": "pssa",
        "xvolution_local": "local_attention",
        "xvolution_global": "global_attention",
    }
)
"""From the operator's name to its attention branch."""
_WORDS = {
    "left": (0, -1),
    "right": (0, 1),
    "up": (-1, 0),
    "down": (1, 0),
    "up-left": (-1, -1),
    "up-right": (-1, 1),
    "down-left": (1, -1),
    "down-right": (1, 1),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "operator": tuple(ATTENTION_OF),
    "boundary": ("circular", "zero"),
    "normalise": ("none", "softmax"),
}


def parse_attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as a file or a command line gives them, checked, in our own types.

    Raises
    ------
    ValueError
        One sentence: which attribute must be what.
    """
    for name in given:
        if name not in DEFAULTS:
            raise ValueError(f"an attribute must be one of {', '.join(DEFAULTS)}, not {name!r}")
    return {name: _parse(name, value) for name, value in given.items()}


def parse_directions(value: Any) -> Directions:
    """Directions from words ("four", "left,right") or pairs of whole numbers.

    Raises
    ------
    ValueError
        If a word or a pair is not one there is.
    """
    if isinstance(value, str):
        if value in {"four", "eight"}:
            return FOUR_DIRECTIONS if value == "four" else EIGHT_DIRECTIONS
        return parse_directions([each.strip() for each in value.split(",")])
    if not isinstance(value, list | tuple):
        raise ValueError(  # noqa: TRY004 - it was read
            f"directions must be words or pairs, such as 'left,right', not {value!r}"
        )
    found = []
    for each in value:
        if isinstance(each, str) and each not in _WORDS:
            raise ValueError(
                f"a direction must be one of four, eight, {', '.join(_WORDS)}, not {each!r}"
            )
        found.append(_WORDS[each] if isinstance(each, str) else _pair_of_numbers(each))
    offsets(found, 1)
    return tuple(found)


def _pair_of_numbers(value: Any) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(is_integer, value)):
        raise ValueError(f"a direction must be a word or [down, right], not {value!r}")
    return int(value[0]), int(value[1])


def _parse(name: str, value: Any) -> Any:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}")
    if name == "directions":
        return parse_directions(value)
    if name in {"stride", "dilation", "window", "groups"}:
        return pair(name, tuple(value) if isinstance(value, list) else value, least=1)
    if name in {"length", "heads"} and (not is_integer(value) or value < 1):
        raise ValueError(f"{name} must be a positive integer, not {value!r}")
    if name in {"eps", "scale"} and not _is_positive_number(value):
        raise ValueError(f"{name} must be a positive number, not {value!r}")
    return value


def _is_positive_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
    )
