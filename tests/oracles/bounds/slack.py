"""The constants of every bound."""

SLACK = 1e-12
"""ω: at least 2·γ_k with γ_k = k·u/(1 − k·u), u = 2⁻⁵³, for any k ≤ 4500 roundings on a path."""

TINY = 2.0**-1020
"""What an exponential may lose where it underflows."""

EPS = 1e-5
"""The default of every normalisation."""
