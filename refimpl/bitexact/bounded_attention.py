"""Bounded expressions of global and local attention in floats.

q, k, v, scores and context are sums (``bounded.py``). The softmax of scores z with errors ε_t,
where u is its rounding, T the keys of a row, x_t = |z_t − max z|, and ^ marks the device's numbers:

    exponents   t̂_t = R(ẑ_t − max ẑ)     within δ_t = ε_t + u·(x_t + ε_t + max ε) + η of z_t − max ẑ
    weights     exp(δ) moves both numerator and denominator: p̂/p ≤ exp(δ_t + max δ)·(1 + γ_{T+4})
                (an exponential, T sums, a reciprocal, a product), and the same below

The row's maximum cancels. exp(d) − 1 ≤ d + d² for d ≤ 1; beyond d = ½ there is no bound. What
underflows in an exponential, or in the product with the reciprocal, is at most η each: the sum of
a row is 1 at least.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1; Blanchard,
Higham and Higham, IMA J. Numer. Anal. 41 (2021), section 4, for softmax by the shifted formula; the
composition is derived here.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.bounded import (
    INFLATE,
    Bounded,
    exact,
    in_range,
    multiplied,
    reach,
    stored,
    summed,
)
from refimpl.bitexact.bounded_forward import Expression, Found, convolved, output_of
from refimpl.bitexact.call import Attributes, Tensors
from refimpl.bitexact.exponential import exp_near
from refimpl.bitexact.formats import cast_of, format_named, format_of
from refimpl.bitexact.softmax import denominator_of
from refimpl.bitexact.tokens import Tokens, global_tokens, local_tokens, strided

ARRANGE: Mapping[str, Callable[[Array, Array, Array, Attributes], Tokens]] = {
    "global_attention": global_tokens,
    "local_attention": local_tokens,
}
MOST_EXPONENT = 0.5  # ours: an exponent known no better than this says nothing


def softmax_tables(attributes: Attributes) -> str:
    """Why attention has no bound: a function of its softmax is no correctly rounded one of R."""
    declared = attributes.get("softmax", {})
    if attributes.get("normalise", "softmax") == "none":
        return ""
    for name in ("exp", "reciprocal"):
        kind = (declared.get(name) or {}).get("kind", "correct")
        if kind != "correct":
            return f"its {name} is a {kind}, which may jump"
        form = declared.get("format", "fp32")
        own = (declared.get(name) or {}).get("format", form)
        if own != form:
            return f"its {name} is in {own}, and the softmax around it in {form}"
    return ""


def _attention(operator: str) -> Expression:
    def expression(tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
        found: Found = {}
        for which in "qkv":
            found |= _projected(which, tensors, attributes, adders)
        parts = [found[which] for which in "qkv"]
        arranged = [
            ARRANGE[operator](q, k, v, attributes)
            for q, k, v in zip(*(part.parts for part in parts), strict=True)
        ]
        queries, keys, values = (
            _flat(part).each(*(getattr(each, name) for each in arranged))
            for part, name in zip(parts, ("queries", "keys", "values"), strict=True)
        )
        tokens = arranged[0]
        deep, many = queries.value.shape[2], keys.value.shape[2]
        scores = summed(queries, keys, adders, np.full((1, 1, 1), deep))
        factor = exact(np.array(attributes["scale"], np.float32), adders)
        logits = multiplied(scores, factor, adders)
        weights = _weights(logits, tokens, tensors, attributes, adders)
        context = summed(weights, values, adders, np.full((1, 1, 1), many))
        image = _flat(context.each(*(tokens.image(part) for part in context.parts)))
        kept = "weights" if attributes.get("normalise", "softmax") == "none" else "probabilities"
        sums, last = (
            accumulation_of(attributes, f"accumulation_{name}", loops=loops).cast
            for name, loops in (("scores", "d"), ("context", "t"))
        )
        return {
            **found,
            "scores": stored(_laid(scores, tokens), sums, adders),
            "scaled_scores": stored(_laid(logits, tokens), sums, adders),
            kept: _laid(weights, tokens),
            "context": stored(image, last, adders),
            "output": output_of(image, tensors, attributes, adders),
        }

    return expression


def _flat(of: Bounded) -> Bounded:
    """One number of roundings, whatever moves the elements."""
    return of._replace(roundings=np.max(of.roundings, initial=0))


def _laid(of: Bounded, tokens: Tokens) -> Bounded:
    """What each query has of each key, as a stage."""
    return _flat(of.each(*(part.reshape(tokens.scores) for part in of.parts)))


def _projected(which: str, tensors: Tensors, attributes: Attributes, adders: Adders) -> Found:
    x = strided(tensors["x"], attributes) if which == "q" else tensors["x"]
    own = exact(tensors[f"w_{which}"], adders)
    total = convolved(exact(x, adders), own, None, {"padding": [0, 0]}, adders)
    return {
        f"{which}_accumulator": stored(total, accumulation_of(attributes).cast, adders),
        which: stored(total, cast_of(None, format_of(x).name), adders),
    }


def _weights(
    logits: Bounded, tokens: Tokens, tensors: Tensors, attributes: Attributes, adders: Adders
) -> Bounded:
    name = format_of(tensors["x"]).name
    inside = np.broadcast_to(tokens.inside, logits.value.shape)
    if attributes.get("normalise", "softmax") == "none":
        masked = logits.each(*(np.where(inside, part, 0.0) for part in logits.parts))
        return stored(masked, cast_of(attributes.get("probabilities"), name), adders)
    declared = {"format": name, **attributes.get("probabilities", {})}
    a = _softmax(logits, inside, attributes.get("softmax", {}), adders)
    largest = denominator_of(declared)
    a = a.each(*(part * largest for part in a.parts))
    cast = {key: value for key, value in declared.items() if key != "denominator"}
    return _flat(stored(a, cast_of(cast, name), adders))


def _softmax(logits: Bounded, inside: Array, declared: Attributes, adders: Adders) -> Bounded:
    form = format_named(declared.get("format", "fp32"))
    unit = max(adders.step, 2.0 ** ((1 if adders.truncates else 0) - form.digits))
    smallest = form.least + (form.fraction if adders.flushes_subnormals else 0)
    lost, many = max(2.0**smallest, 2.0**-1021), inside.shape[2]  # where ``exp_near`` ends
    far = np.where(inside, reach(logits, adders), 0.0)
    z = np.where(inside, logits.value, -np.inf)
    below = np.where(inside, z.max(axis=2, keepdims=True) - z, 0.0)
    worst = far.max(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = far + unit * (below + far + worst) + below * 2.0**-52 + lost
        exponent = np.where(inside, apart + apart.max(axis=2, keepdims=True), 0.0) * INFLATE
        share = (many + 4) * (unit + 2 * lost)
        growth = share / (1 - share) if share < 0.5 else np.inf
        own = 2.0**-48 + (many + 4) * 2.0**-52
        relative = (1 + exponent + exponent * exponent) * (1 + growth) - 1 + own
    powers = np.where(inside, exp_near(-below), 0.0)
    total = np.zeros((*powers.shape[:2], 1))
    for t in range(many):
        total = total + powers[:, :, t : t + 1]
    p = powers / total
    known = (exponent < MOST_EXPONENT) & np.isfinite(relative)
    known &= many * 2 < 2.0 ** -(form.least + form.fraction)  # the reciprocal is a normal number
    with np.errstate(invalid="ignore"):
        missed = np.where(known, p * relative + 3 * lost, np.inf)
    missed = np.where(inside, missed, 0.0)
    magnitude = np.where(known, in_range(p, adders), np.inf)
    return Bounded(p, np.where(inside, magnitude, 0.0), np.zeros(()), missed, form.digits)


ATTENDING: Mapping[str, Expression] = {name: _attention(name) for name in ARRANGE}
