"""How to break claims about gradients."""

import refimpl
from proofs.claims import gradients
from tests.proofs.breaks.wrongs import Break


def double_the_gradient_of_x(right):
    def wrong(*args, **options):
        grads = right(*args, **options)
        return grads._replace(x=grads.x + grads.x)

    return wrong


def drop_the_gradient_of_b(right):
    def wrong(*args, **options):
        grads = right(*args, **options)
        return grads._replace(b=grads.b * 0)

    return wrong


def forget_the_key(right):
    """The product rule with one of its two terms."""

    def wrong(dy, q, k=None, **options):
        both = right(dy, q, q if k is None else k, **options)
        return both._replace(q=both.q, k=None) if k is None else both

    return wrong


def one_more_operator(right):
    return lambda: right() | {"unheard_of"}


BREAKS: dict[str, tuple[Break, ...]] = {
    "a-stencil-of-two-to-the-s-plus-one-nodes-is-exact-for-a-stack": (
        Break("dx doubled", refimpl, "pssa_stack_backward", double_the_gradient_of_x),
    ),
    "the-gradient-of-softmax-is-rational-in-its-output": (
        Break("no mean", gradients, "pull_softmax", lambda _: lambda dy, y, **_: y * dy),
    ),
    "every-backward-encloses-the-derivative": (
        Break("dx doubled", refimpl, "softmax_backward", double_the_gradient_of_x),
        Break("γ not scaled", refimpl, "batch_norm_training_backward", double_the_gradient_of_x),
    ),
    "every-backward-is-the-adjoint-of-the-derivative": (
        Break("dx doubled", refimpl, "pssa_backward", double_the_gradient_of_x),
        Break("db dropped", refimpl, "conv2d_backward", drop_the_gradient_of_b),
        Break("half the product rule", refimpl, "shift_product_backward", forget_the_key),
        Break("γ not scaled", refimpl, "batch_norm_training_backward", double_the_gradient_of_x),
        Break("no case", gradients, "operators", one_more_operator),
    ),
    "central-differences-of-quadratic-operators-are-exact": (
        Break("dx doubled", refimpl, "xvolution_fused_backward", double_the_gradient_of_x),
        Break("db dropped", refimpl, "linear_backward", drop_the_gradient_of_b),
    ),
}
