"""How often the configuration that looks best turns out to be one of the worse: the choice itself, cross-validated."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from crypto_kedro.errors import LearningError
from crypto_kedro.market.bars import FloatArray

MOST_BLOCKS = 20
_NO_VARIANCE = 1e-12
_SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class BacktestOverfitting:
    """What became of the best configuration of each half of the time in the other half.

    There is no interval: the halves share their data, so the combinations are no sample of anything.

    Args:
        probability: share of the combinations whose choice does not beat the median of the other half.
        logits: shape (combinations,), log-odds of the choice's relative rank in the other half; positive is good.
        in_sample, out_of_sample: shape (combinations,), Sharpe ratio per period of the choice in either half.
        probability_of_loss: share of the combinations whose choice loses in the other half.
        degradation_slope: Sharpe ratio gained in the other half for each unit seen in the first, by least squares;
            None if the choices all looked the same.
        configurations, observations, blocks: size of what was judged.
    """

    probability: float
    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    probability_of_loss: float
    degradation_slope: float | None
    configurations: int
    observations: int
    blocks: int


def backtest_overfitting(returns: FloatArray, blocks: int = 16) -> BacktestOverfitting:
    """Cross-validate the choice of the best of several configurations, symmetrically over all halves of the time.

    The time is cut into blocks. Each half of the blocks chooses the configuration of the highest Sharpe ratio, and the
    other half ranks it. A configuration that does not trade in a half has a Sharpe ratio of 0 there; equal ones share
    their mean rank.

    Args:
        returns: shape (periods, configurations), all over the same periods, oldest first. The oldest periods are left
            out where the blocks do not divide them.
        blocks: even; 16 give 12,870 combinations, and `MOST_BLOCKS` 184,756.

    Raises:
        LearningError: there are fewer than two configurations or two periods a block, the blocks are odd, too few or
            too many, a return is not finite, or a configuration earns the same in all periods of a half.

    Source: Bailey, Borwein, Lopez de Prado and Zhu, "The probability of backtest overfitting", Journal of
    Computational Finance 20 (2017).

    >>> steady, noise = np.full((8, 1), 0.01), np.array([[0.001], [-0.001]] * 4)
    >>> backtest_overfitting(np.hstack([noise, noise + steady]), blocks=4).probability
    0.0
    """
    _check(returns, blocks)
    kept = returns[len(returns) % blocks :]
    sharpe = _sharpe_of_halves(kept, blocks)
    # Halves come in lexicographic order, in which the complement of the first is the last.
    complement = sharpe[::-1]
    chosen = np.argmax(sharpe, axis=1)
    rows = np.arange(len(chosen))
    in_sample, out_of_sample = sharpe[rows, chosen], complement[rows, chosen]
    ahead = out_of_sample[:, None] - complement
    rank = np.sum(ahead > _SAME, axis=1) + (np.sum(np.abs(ahead) <= _SAME, axis=1) + 1) / 2
    logits = np.log(rank / (returns.shape[1] + 1 - rank))
    return BacktestOverfitting(
        probability=float(np.mean(logits <= 0)),
        logits=logits,
        in_sample=in_sample,
        out_of_sample=out_of_sample,
        probability_of_loss=float(np.mean(out_of_sample < 0)),
        degradation_slope=_slope(in_sample, out_of_sample),
        configurations=returns.shape[1],
        observations=len(kept),
        blocks=blocks,
    )


def _check(returns: FloatArray, blocks: int) -> None:
    if not 2 <= blocks <= MOST_BLOCKS or blocks % 2:
        raise LearningError(f"overfitting: {blocks} blocks; give an even number of them, from 2 to {MOST_BLOCKS}")
    if returns.ndim != 2 or returns.shape[1] < 2 or len(returns) < 2 * blocks:
        raise LearningError(
            f"overfitting: returns of shape {returns.shape} are too few for {blocks} blocks; "
            f"give two configurations or more and at least {2 * blocks} periods, or fewer blocks"
        )
    if not np.all(np.isfinite(returns)):
        raise LearningError("overfitting: a return is not finite; look for an account that was worth nothing")


def _sharpe_of_halves(returns: FloatArray, blocks: int) -> FloatArray:
    """Return the Sharpe ratio of every configuration in every half, shape (combinations, configurations)."""
    block_returns = returns.reshape(blocks, -1, returns.shape[1])
    halves = list(combinations(range(blocks), blocks // 2))
    member = np.zeros((len(halves), blocks))
    member[np.arange(len(halves))[:, None], halves] = 1.0
    count = len(returns) // 2
    mean = member @ block_returns.sum(axis=1) / count
    square = member @ (block_returns**2).sum(axis=1) / count
    variance = square - mean**2
    varies = variance > _NO_VARIANCE * square
    if np.any(~varies & (square > 0)):
        raise LearningError(
            "overfitting: a configuration returns the same in every period of a half, so that its Sharpe ratio is "
            "infinite; leave such configurations out"
        )
    deviation = np.sqrt(np.where(varies, variance, 1.0) * count / (count - 1))
    sharpe: FloatArray = np.where(varies, mean / deviation, 0.0)
    return sharpe


def _slope(first: FloatArray, second: FloatArray) -> float | None:
    centred = first - first.mean()
    spread = float(centred @ centred)
    return float(centred @ second) / spread if spread > _NO_VARIANCE * float(first @ first) else None
