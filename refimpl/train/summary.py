"""What a study says: accuracy with spread in rows, differences with intervals in sentences."""

from collections.abc import Iterable, Iterator
from math import isnan

from refimpl.nets.graph import initialise, parameter_count
from refimpl.nets.sites import X_VOLUTIONS
from refimpl.train.study import Curve, Interval, Run, build, by_member, difference, interval

COMPARED = (
    ("pssa", "global_attention"),
    ("xvolution", "xvolution_global"),
    ("xvolution", "conv2d"),
    ("pssa", "conv2d"),
)


def member_rows(curves: Iterable[Curve], classes: int) -> Iterator[tuple[str, ...]]:
    """Operator, kernel, window, parameters, accuracy ± deviation: one row per network."""
    for member, seeds in by_member(curves).items():
        count = parameter_count(initialise(build(member, classes)))
        sides = (str(member.kernel) if has_kernel(member) else "–", _window(member))
        accuracy = interval(each.accuracy for each in seeds.values())
        yield member.operator, *sides, f"{count:,}", _with_spread(accuracy)


def differences(curves: Iterable[Curve]) -> Iterator[str]:
    """Differences of accuracy between operators at kernel and window 3, with their intervals."""
    found = by_member(curves)
    for one, other in COMPARED:
        pair = found.get(Run(operator=one, seed="")), found.get(Run(operator=other, seed=""))
        if pair[0] and pair[1]:
            apart = difference(pair[0], pair[1])
            spread = "" if isnan(apart.half) else f" ± {100 * apart.half:.1f}"
            yield (
                f"accuracy({one}) − accuracy({other}) = {100 * apart.mean:+.1f}{spread} points "
                f"({apart.seeds} seeds, 95 %)"
            )


def has_kernel(member: Run) -> bool:
    """Whether the operator has a convolution whose side can be chosen."""
    return member.operator == "conv2d" or member.operator in X_VOLUTIONS


def _window(member: Run) -> str:
    if member.operator == "conv2d":
        return "–"
    return (
        "all" if member.operator in {"global_attention", "xvolution_global"} else str(member.window)
    )


def _with_spread(accuracy: Interval) -> str:
    spread = "" if isnan(accuracy.deviation) else f" ± {100 * accuracy.deviation:.1f}"
    return f"{100 * accuracy.mean:.1f}{spread}"
