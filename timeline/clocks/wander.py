"""How much the rate of a clock varies: the maximum-likelihood intensity of a random walk of its rate.

State (θ, β), dβ = sqrt(q) dW, pins are measurements of θ with the variance of a uniform distribution over their width.
The likelihood of q over a grid chooses it; the smoothed rates then tell how far the rate strays from its mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from timeline.clocks.evidence import Floats

GRID = tuple(10.0**exponent for exponent in (-20.0, -19.0, -18.0, -17.5, -17.0, -16.5, -16.0, -15.5, -15.0, -14.0))
"""q in (s/s)²/s; 1e-17: the rate strays by 1 ppm in a day."""
GAIN = 2.0
"""Log-likelihood by which a restless clock must beat the quiet one."""
MAX_NODES = 400


def _filter(u: Floats, mid: Floats, var: Floats, q: float) -> tuple[float, Floats, Floats]:
    """(log-likelihood, filtered rates, their standard deviations)."""
    theta, beta = mid[0], 0.0
    p00, p01, p11 = var[0], 0.0, (100e-6) ** 2
    total = 0.0
    rates, spreads = np.zeros(len(u)), np.zeros(len(u))
    for i in range(len(u)):
        if i:
            d = max(u[i] - u[i - 1], 0.0)
            theta += beta * d
            p00 += 2 * d * p01 + d * d * p11 + q * d**3 / 3
            p01 += d * p11 + q * d * d / 2
            p11 += q * d
            s = p00 + var[i]
            residual = mid[i] - theta
            total -= 0.5 * (np.log(s) + residual * residual / s)
            k0, k1 = p00 / s, p01 / s
            theta += k0 * residual
            beta += k1 * residual
            p00, p01, p11 = (1 - k0) * p00, (1 - k0) * p01, p11 - k1 * p01
        rates[i], spreads[i] = beta, np.sqrt(max(p11, 0.0))
    return total, rates, spreads


def rate_stray(u: Floats, low: Floats, high: Floats) -> float:
    """How far (s/s) the local rate strays from its middle, beyond its uncertainty; 0 where nothing shows a wander.

    `u` sorted, `low` and `high` bounds of θ at pins of one piece.
    """
    if len(u) < 8:
        return 0.0
    if len(u) > MAX_NODES:
        keep = np.linspace(0, len(u) - 1, MAX_NODES).astype(np.int64)
        u, low, high = u[keep], low[keep], high[keep]
    mid, var = (low + high) / 2, np.maximum((high - low) ** 2 / 12, 1e-6)
    quiet = _filter(u, mid, var, GRID[0])[0]
    best, chosen = quiet, GRID[0]
    for q in GRID[1:]:
        likelihood = _filter(u, mid, var, q)[0]
        if likelihood > best:
            best, chosen = likelihood, q
    if best < quiet + GAIN:
        return 0.0
    _, ahead, ahead_spread = _filter(u, mid, var, chosen)
    _, back, back_spread = _filter(-u[::-1], mid[::-1], var[::-1], chosen)
    back, back_spread = -back[::-1], back_spread[::-1]
    weight = 1 / np.maximum(ahead_spread, 1e-9) ** 2 + 1 / np.maximum(back_spread, 1e-9) ** 2
    rates = (ahead / np.maximum(ahead_spread, 1e-9) ** 2 + back / np.maximum(back_spread, 1e-9) ** 2) / weight
    # Rates between two pins stray further than the smoothed ones: one standard deviation over the median gap is added.
    gap = float(np.median(np.diff(u)))
    return (
        float(rates.max() - rates.min()) / 2
        + float(np.sqrt(chosen * max(gap, 0.0)))
        + float(np.median(1 / np.sqrt(weight)))
    )
