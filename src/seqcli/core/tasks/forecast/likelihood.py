"""How a forecaster describes the uncertainty of a step: by quantiles, or by the parameters of a distribution.

All values are those of a window after scaling: z = (y - level) / scale. A head gives each step `size` numbers, the raw
parameters, of which the first belongs to the middle of the distribution.
"""

import itertools
import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Floats = NDArray[np.float64]
DRAWS = 1000  # samples from which quantiles of a distribution without a formula for them are taken
LEVELS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.995)
LEAST = 1e-3  # the smallest width of a distribution, in units of the window's scale


class Likelihood:
    """The base of all likelihoods."""

    size: int  # how many raw parameters a step has
    counts = False  # whether it is for whole numbers from 0 on; then windows are scaled without moving their level to 0

    def centred(self, raw: Tensor, middle: Tensor) -> Tensor:
        """Move raw parameters (..., P) such that the middle of the distribution is at `middle` (...) more."""
        return torch.cat((raw[..., :1] + middle[..., None], raw[..., 1:]), -1)  # (..., P)

    def start(self) -> Tensor:
        """Return the raw parameters (P,) to begin with, around a middle of 0."""
        return torch.zeros(self.size)

    def start_from(self, errors: Tensor, real: Tensor) -> Tensor:
        """Return the raw parameters (H, P) to begin with for each step, if these were the errors (B, H) of the middle.

        `real` (B, H) says which errors there are.
        """
        return self.start().expand(errors.shape[1], -1)

    @abstractmethod
    def loss(self, raw: Tensor, z: Tensor, scale: Tensor) -> Tensor:
        """Compute the loss (...) of targets z (...) under raw parameters (..., P).

        `scale` (...) is that of the windows.
        """

    @abstractmethod
    def quantiles(self, raw: Tensor, levels: Sequence[float], scale: Tensor, random: np.random.Generator) -> Floats:
        """Return the quantiles (..., Q) at levels between 0 and 1."""

    @abstractmethod
    def mean(self, raw: Tensor) -> Floats:
        """Return the means (...)."""


class Distribution(Likelihood):
    """The base of the likelihoods that values can be drawn from."""

    @abstractmethod
    def draw(self, raw: Tensor, scale: Tensor, random: np.random.Generator) -> Floats:
        """Draw a value for each of the raw parameters (..., P). Returns (...)."""


class Quantiles(Likelihood):
    """No distribution, but some of its quantiles q_a, which are learnt by the pinball loss (Koenker 1978).

    loss = mean over a of 2 max(a (z - q_a), (a - 1) (z - q_a)), which is the absolute error for the median.
    """

    size = len(LEVELS)

    def centred(self, raw: Tensor, middle: Tensor) -> Tensor:
        return raw + middle[..., None]  # (..., P)

    def start(self) -> Tensor:
        return torch.tensor([0.3 * NormalDist().inv_cdf(level) for level in LEVELS])

    def start_from(self, errors: Tensor, real: Tensor) -> Tensor:
        at = torch.tensor(LEVELS, device=errors.device)
        found = errors.float().masked_fill(~real, torch.nan).nanquantile(at, dim=0).T  # (H, P)
        return torch.where(found.isnan(), self.start().to(errors.device), found)

    def loss(self, raw: Tensor, z: Tensor, scale: Tensor) -> Tensor:
        a = torch.tensor(LEVELS, device=raw.device)  # (P,)
        error = z[..., None] - raw  # (..., P)
        return 2 * torch.maximum(a * error, (a - 1) * error).mean(-1)

    def quantiles(self, raw: Tensor, levels: Sequence[float], scale: Tensor, random: np.random.Generator) -> Floats:
        """Between the levels that were learnt, and beyond them, quantiles are taken from a straight line over those of
        a normal distribution. Quantiles that cross are put in order (Chernozhukov 2010)."""
        known = raw.double().sort(-1).values.cpu().numpy()  # (..., P)
        return along(known, levels)

    def mean(self, raw: Tensor) -> Floats:
        """The integral of the quantiles over their levels, each standing for the levels that are nearest to it."""
        known = raw.double().sort(-1).values.cpu().numpy()
        edges = np.array([0.0, *((a + b) / 2 for a, b in itertools.pairwise(LEVELS)), 1.0])
        return np.asarray(known @ np.diff(edges))


class Normal(Distribution):
    """A normal distribution N(m, s): m is the first raw parameter, s = softplus of the second."""

    size = 2

    def start_from(self, errors: Tensor, real: Tensor) -> Tensor:
        return with_deviations(self.start(), errors, real)

    def loss(self, raw: Tensor, z: Tensor, scale: Tensor) -> Tensor:
        m, s = raw[..., 0], F.softplus(raw[..., 1]) + LEAST
        return 0.5 * ((z - m) / s) ** 2 + s.log() + 0.5 * math.log(2 * math.pi)

    def quantiles(self, raw: Tensor, levels: Sequence[float], scale: Tensor, random: np.random.Generator) -> Floats:
        m, s = raw[..., :1].double(), F.softplus(raw[..., 1:]).double() + LEAST
        at = torch.tensor([NormalDist().inv_cdf(level) for level in levels], dtype=torch.float64, device=raw.device)
        return np.asarray((m + s * at).cpu().numpy())

    def mean(self, raw: Tensor) -> Floats:
        return np.asarray(raw[..., 0].double().cpu().numpy())

    def draw(self, raw: Tensor, scale: Tensor, random: np.random.Generator) -> Floats:
        m, s = raw[..., 0], F.softplus(raw[..., 1]) + LEAST
        return np.asarray(m.double().cpu().numpy() + s.double().cpu().numpy() * random.standard_normal(m.shape))


class StudentT(Distribution):
    """Student's t distribution: m, s as for Normal, and degrees of freedom n = 2 + softplus of the third.

    log p(z) = log G((n+1)/2) - log G(n/2) - log(s sqrt(n pi)) - (n+1)/2 log(1 + ((z-m)/s)^2 / n)
    """

    size = 3

    def start(self) -> Tensor:
        return torch.tensor([0.0, 0.0, 2.0])

    def start_from(self, errors: Tensor, real: Tensor) -> Tensor:
        return with_deviations(self.start(), errors, real)

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return raw[..., 0], F.softplus(raw[..., 1]) + LEAST, 2.0 + F.softplus(raw[..., 2])

    def loss(self, raw: Tensor, z: Tensor, scale: Tensor) -> Tensor:
        m, s, n = self._parts(raw)
        log_p = torch.lgamma((n + 1) / 2) - torch.lgamma(n / 2) - (s * (n * math.pi).sqrt()).log()
        return (n + 1) / 2 * torch.log1p(((z - m) / s) ** 2 / n) - log_p

    def quantiles(self, raw: Tensor, levels: Sequence[float], scale: Tensor, random: np.random.Generator) -> Floats:
        m, s, n = (part.double().cpu().numpy() for part in self._parts(raw))
        return np.asarray(m[..., None] + s[..., None] * quantiles_of_t(n, tuple(levels)))

    def mean(self, raw: Tensor) -> Floats:
        return np.asarray(raw[..., 0].double().cpu().numpy())

    def draw(self, raw: Tensor, scale: Tensor, random: np.random.Generator) -> Floats:
        m, s, n = (part.double().cpu().numpy() for part in self._parts(raw))
        return np.asarray(m + s * random.standard_t(n))


class NegativeBinomial(Distribution):
    """A negative binomial distribution for counts (Salinas 2020): mean m = scale softplus(first raw parameter), and
    variance m + a m^2 with a = softplus of the second.

    With r = 1/a: log p(y) = log G(y+r) - log G(y+1) - log G(r) + r log(r / (r+m)) + y log(m / (r+m)).
    """

    size = 2
    counts = True

    def _parts(self, raw: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        mean = scale * (F.softplus(raw[..., 0], beta=3.0) + 1e-4)
        return mean, 1 / (F.softplus(raw[..., 1]) + LEAST)

    def loss(self, raw: Tensor, z: Tensor, scale: Tensor) -> Tensor:
        wide = torch.float64 if raw.device.type != "mps" else raw.dtype  # log G of large counts needs many digits
        raw, scale = raw.to(wide), scale.to(wide)
        y = (z.to(wide) * scale).round()
        m, r = self._parts(raw, scale)
        log_p = torch.lgamma(y + r) - torch.lgamma(y + 1) - torch.lgamma(r)
        return -(log_p + r * (r / (r + m)).log() + y * (m / (r + m)).log())

    def quantiles(self, raw: Tensor, levels: Sequence[float], scale: Tensor, random: np.random.Generator) -> Floats:
        return drawn_quantiles(self, raw, levels, scale, random)

    def mean(self, raw: Tensor) -> Floats:
        return np.asarray((F.softplus(raw[..., 0], beta=3.0) + 1e-4).double().cpu().numpy())

    def draw(self, raw: Tensor, scale: Tensor, random: np.random.Generator) -> Floats:
        m, r = (part.double().cpu().numpy() for part in self._parts(raw, scale))
        return np.asarray(random.negative_binomial(r, r / (r + m)) / scale.double().cpu().numpy())


def with_deviations(start: Tensor, errors: Tensor, real: Tensor) -> Tensor:
    """Return the parameters `start` (P,) for each step, (H, P), the second being the deviation of its errors (B, H)."""
    found = start.to(errors.device).repeat(errors.shape[1], 1)  # (H, P)
    squares = (errors.float() ** 2 * real).sum(0) / real.sum(0).clamp(min=1)  # (H,)
    found[:, 1] = squares.sqrt().clamp(1e-2, 10).expm1().log()  # softplus of it is the deviation
    return found


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "student-t": StudentT,
    "normal": Normal,
    "negative-binomial": NegativeBinomial,
}
LIKELIHOODS: dict[str, type[Likelihood]] = {"quantile": Quantiles, **DISTRIBUTIONS}


def along(known: Floats, levels: Sequence[float]) -> Floats:
    """Return quantiles at `levels` (Q) from those at LEVELS, known (..., P), in order. Returns (..., Q)."""
    normal = np.array([NormalDist().inv_cdf(level) for level in (*LEVELS, *levels)])
    at, wanted = normal[: len(LEVELS)], normal[len(LEVELS) :]
    right = np.searchsorted(at, wanted).clip(1, len(at) - 1)  # (Q,)
    part: Any = (wanted - at[right - 1]) / (at[right] - at[right - 1])  # below 0 or above 1 beyond the outermost
    return np.asarray(known[..., right - 1] + part * (known[..., right] - known[..., right - 1]))


@lru_cache(maxsize=100)
def table_of_t(levels: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return the quantiles (n, Q) of Student's t distribution for n values of 1/degrees, which are returned as well.

    With t = sqrt(n) tan(a), the density of a is proportional to cos(a)^(n-1), which is summed up from 0 to pi / 2.
    """
    parts = np.linspace(0, 0.5, 201)  # 0 is the normal distribution, 1/2 that of two degrees of freedom
    rest = (np.pi / 2) * (1 - np.linspace(0, 1, 5000)) ** 3  # pi / 2 - a, closest where t is largest
    sides, signs = np.abs(np.array(levels) - 0.5), np.sign(np.array(levels) - 0.5)
    rows = [[NormalDist().inv_cdf(0.5 + side) for side in sides]]
    for part in parts[1:]:
        density = np.sin(rest) ** (1 / part - 1)
        area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * -np.diff(rest))])
        rows.append(np.sqrt(1 / part) / np.tan(np.interp(sides, area / area[-1] / 2, rest)))
    return parts, np.array(rows) * signs


def quantiles_of_t(degrees: Floats, levels: tuple[float, ...]) -> Floats:
    """Return the quantiles (..., Q) of Student's t distribution with these degrees of freedom (...), at least 2."""
    parts, table = table_of_t(levels)
    return np.stack([np.interp(1 / degrees, parts, table[:, q]) for q in range(len(levels))], -1)


def drawn_quantiles(
    of: Distribution, raw: Tensor, levels: Sequence[float], scale: Tensor, random: np.random.Generator
) -> Floats:
    """Return the quantiles (..., Q) of many draws."""
    draws = np.stack([of.draw(raw, scale, random) for _ in range(DRAWS)])  # (n, ...)
    return np.moveaxis(np.quantile(draws, levels, axis=0), 0, -1)
