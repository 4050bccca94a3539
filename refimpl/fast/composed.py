"""Operators that only compose others: their own definitions, run on fast parts.

How a stack, an X-volution or an attention is put together is written once, in ``refimpl.ops``. Here
each of those modules is executed a second time, and the names of its parts bound to the fast ones:
the same equations, other machinery underneath (docs/decisions/0007).
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

from refimpl.fast.conv2d import conv2d, conv2d_backward
from refimpl.fast.global_attention import attend_by_scores, pull_by_scores
from refimpl.fast.local_attention import local_attention, local_attention_backward
from refimpl.fast.pssa import project, project_backward, pssa, pssa_backward
from refimpl.fast.shift_product import shift_product, shift_product_backward

PARTS: Mapping[str, Any] = {
    each.__name__: each
    for each in (
        conv2d, conv2d_backward, project, project_backward, pssa, pssa_backward,
        shift_product, shift_product_backward, local_attention, local_attention_backward,
        attend_by_scores, pull_by_scores,
    )
}  # fmt: skip


def on_fast_parts(name: str, parts: Mapping[str, Any]) -> Any:
    """Execute ``refimpl.ops.<name>`` again with its parts, and with the original's result types."""
    original = import_module(f"refimpl.ops.{name}")
    spec = find_spec(original.__name__)
    assert spec is not None  # noqa: S101 - it was just imported
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    own = vars(module)
    own.update({key: value for key, value in vars(original).items() if isinstance(value, type)})
    own.update({key: value for key, value in parts.items() if key in own})
    return module


_attention = on_fast_parts("global_attention", PARTS)
_ALL_PARTS = dict(PARTS) | {
    each: getattr(_attention, each)
    for each in ("global_attention", "global_attention_backward", "tokens_of", "gather_tokens")
}
global_attention = _attention.global_attention
global_attention_backward = _attention.global_attention_backward

_module = on_fast_parts("aa_conv2d", _ALL_PARTS)
aa_conv2d, aa_conv2d_backward = _module.aa_conv2d, _module.aa_conv2d_backward

_module = on_fast_parts("pssa_stack", _ALL_PARTS)
pssa_stack, pssa_stack_backward = _module.pssa_stack, _module.pssa_stack_backward

_module = on_fast_parts("xvolution", _ALL_PARTS)
xvolution, xvolution_backward = _module.xvolution, _module.xvolution_backward

_module = on_fast_parts("xvolution_training", _ALL_PARTS)
xvolution_training = _module.xvolution_training
xvolution_training_backward = _module.xvolution_training_backward

_module = on_fast_parts("xvolution_local", _ALL_PARTS)
xvolution_local, xvolution_local_backward = (
    _module.xvolution_local, _module.xvolution_local_backward,
)  # fmt: skip

_module = on_fast_parts("xvolution_global", _ALL_PARTS)
xvolution_global = _module.xvolution_global
xvolution_global_backward = _module.xvolution_global_backward
