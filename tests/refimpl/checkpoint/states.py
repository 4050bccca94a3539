"""State dicts of X-volutions with drawn weights, as a PyTorch module would name them."""

import numpy as np

C, O = 3, 4  # noqa: E741 - as in the equations


def norm(prefix, rng, channels=O):
    draws = {
        "weight": rng.standard_normal(channels),
        "bias": rng.standard_normal(channels),
        "running_mean": rng.standard_normal(channels),
        "running_var": rng.uniform(0.5, 2, channels),
    }
    counter = {f"{prefix}.num_batches_tracked": np.array(7)}
    return {f"{prefix}.{name}": array for name, array in draws.items()} | counter


def shifted(prefix="block.mix.", *, seed=0, kernel=3, biased=False):
    """An X-volution with four pixel shifts."""
    rng = np.random.default_rng(seed)
    state = {
        f"{prefix}conv_c.weight": rng.standard_normal((O, C, 3, 3)),
        f"{prefix}conv_a.weight": rng.standard_normal((O, 4 * C, kernel, kernel)),
        **norm(f"{prefix}bn_c", rng),
        **norm(f"{prefix}bn_a", rng),
    }
    if biased:
        state |= {f"{prefix}conv_{of}.bias": rng.standard_normal(O) for of in "ca"}
    return state


def attending(prefix="block.mix.", *, seed=0, output=False):
    """An X-volution with attention; projections are 1×1 convolutions."""
    rng = np.random.default_rng(seed)
    values = 6 if output else O
    shapes = {"w_q": (2, C), "w_k": (2, C), "w_v": (values, C)}
    shapes |= {"w_o": (O, values)} if output else {}
    return {
        f"{prefix}conv_c.weight": rng.standard_normal((O, C, 3, 3)),
        **{
            f"{prefix}{name}.weight": rng.standard_normal((*shape, 1, 1))
            for name, shape in shapes.items()
        },
        **norm(f"{prefix}bn_c", rng),
        **norm(f"{prefix}bn_a", rng),
    }
