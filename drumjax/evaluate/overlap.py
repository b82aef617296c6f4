"""How alike two samples of one figure are.

Yang & Lerch, "On the evaluation of generative models in music", Neural Computing and Applications 2018: the distances
of every generated excerpt to every real one are set against those of the real ones among themselves. If the model plays
as people do, both have the same distribution.
"""

from typing import NamedTuple

import numpy as np
import scipy.ndimage
import scipy.stats

GRID = 400  # points at which densities are compared


class Likeness(NamedTuple):
    """kl       KL divergence, in nats, of the distances within the real excerpts from those to the generated ones
    overlap  area that both densities share, 0..1: 1 is alike
    apart    1-Wasserstein distance of the figures themselves, in standard deviations of the real ones
    """

    kl: float
    overlap: float
    apart: float


def compare_figure(played: np.ndarray, real: np.ndarray) -> Likeness:
    """Of values [n] and [m], NaNs left out.

    kl and overlap are NaN where either has fewer than 3 different values, `apart` where the real ones are all the same.
    """
    played, real = played[np.isfinite(played)], real[np.isfinite(real)]
    if not len(played) or not len(real) or real.std() == 0:
        return Likeness(np.nan, np.nan, np.nan)
    apart = float(scipy.stats.wasserstein_distance(played, real) / real.std())
    if len(np.unique(played)) < 3 or len(np.unique(real)) < 3:
        return Likeness(np.nan, np.nan, apart)
    within = np.abs(real[:, None] - real[None])[np.triu_indices(len(real), 1)]
    across = np.abs(played[:, None] - real[None]).reshape(-1)
    top = max(within.max(), across.max())
    p, q = (_density(values, top) for values in (within, across))
    return Likeness(
        kl=float(np.sum(p * np.log(p / q))),
        overlap=float(np.sum(np.minimum(p, q))),
        apart=apart,
    )


def _density(distances: np.ndarray, top: float) -> np.ndarray:
    """Shares [GRID] of a Gaussian kernel density estimate (Scott's bandwidth) over 0..top, folded at both ends."""
    counts, _ = np.histogram(distances, GRID, (0, top))
    bandwidth = distances.std() * len(distances) ** -0.2
    density = scipy.ndimage.gaussian_filter1d(counts.astype(float), max(bandwidth / top * GRID, 0.5), mode="reflect")
    density += 1e-9 * len(distances)
    return density / density.sum()


def share_in_common(played: list[bytes], real: list[bytes]) -> float:
    """Area that the histograms of two lists of patterns share, 0..1."""
    if not played or not real:
        return float("nan")
    names = sorted({*played, *real})
    index = {name: i for i, name in enumerate(names)}
    shares = [
        np.bincount([index[name] for name in patterns], minlength=len(names)) / len(patterns)
        for patterns in (played, real)
    ]
    return float(np.minimum(*shares).sum())
