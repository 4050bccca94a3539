"""Equal ways to compute a merged X-volution, and what each asks of the hardware.

From the folded branches w_c, w_a, b (``refimpl.fuse.fold_branch``), with T_d = x ⊙ shift(x, L·d),
one file per form:

    feature   conv2d([x; T(x)], [w_c; w_a], b)         ``refimpl.xvolution_fused``
    two-pass  conv2d(x, w_c, b) + conv2d(T(x), w_a)    ``two_pass``
    tied      conv2d(x ⊙ (1 + Σ_d α_d ⊙ shift(x, L·d)), w_c, b)              ``tied``
    square    conv2d([x; (x + Sx)²; (x − Sx)²], [w_c; w_a/4; −w_a/4], b)     ``square``
    shared    one product for d and −d, shifted copies ``shared_maps``; a longer kernel ``folded``
    kernel    Σ_δ (w_c[δ] + dynamic(p, δ)) x[p+δ] + b  ``kernel`` (pssa), ``kernel_local`` (local)
    SA        conv2d(x, w_c + δ₀·M(x), b)              ``per_image``: one kernel per image

Start at ``fuse_xvolution`` (``fused.py``), which makes any of them of trained parameters and names
the condition that fails. The forms are equal in exact arithmetic and differ in rounding: each adds
in its own order.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), for the feature and kernel
readings; the others are derived where they stand.
"""

from refimpl.forms.cost import Cost, cost, trained_cost
from refimpl.forms.fused import FORMS, Form, Fused, fuse_xvolution, run_fused
from refimpl.forms.kernel import dynamic_conv2d, dynamic_kernel, kernel_form
from refimpl.forms.kernel_local import local_kernel, local_kernel_form
from refimpl.forms.per_image import per_image_conv2d, per_image_form, per_image_weights
from refimpl.forms.shared import SharedMap, fold_shift, folded_maps, product_maps, shared
from refimpl.forms.square import square, square_weights
from refimpl.forms.tied import Tied, tie, tied
from refimpl.forms.trained import Attention, XVolution, magnitude, run_trained
from refimpl.forms.two_pass import two_pass

__all__ = [
    "FORMS",
    "Attention",
    "Cost",
    "Form",
    "Fused",
    "SharedMap",
    "Tied",
    "XVolution",
    "cost",
    "dynamic_conv2d",
    "dynamic_kernel",
    "fold_shift",
    "folded_maps",
    "fuse_xvolution",
    "kernel_form",
    "local_kernel",
    "local_kernel_form",
    "magnitude",
    "per_image_conv2d",
    "per_image_form",
    "per_image_weights",
    "product_maps",
    "run_fused",
    "run_trained",
    "shared",
    "square",
    "square_weights",
    "tie",
    "tied",
    "trained_cost",
    "two_pass",
]
