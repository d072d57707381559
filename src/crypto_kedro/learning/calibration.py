"""Dirichlet calibration of the ensemble's vote, on rows that the models did not see."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from crypto_kedro.learning.models import ClassArray
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.serving.probability import CLASS_NAMES, Calibration

PROBABILITY_FLOOR = 1e-6


def fit_calibration(
    probabilities: FloatArray,
    classes: ClassArray,
    weights: FloatArray,
    prior: FloatArray,
    strength: float = 1.0,
    prior_rows: float = 100.0,
) -> Calibration:
    """Fit a multinomial logistic regression on log-probabilities.

    Its coefficients are shrunk towards zero, so that a vote without information is answered with the shares of the
    classes. Further observations of a vote equal to the prior, with outcomes shared as the prior is, hold the shares
    of a short calibration window near those of the whole training, and keep a class possible that none of the given
    rows belongs to.

    Args:
        probabilities: shape (n, 3), the models' vote.
        classes: shape (n,), what came true.
        weights: shape (n,), uniqueness of each label; their sum is the number of independent observations against
            which the shrinkage is weighed.
        prior: shape (3,), shares of the classes in the training data; all above zero.
        strength: inverse of the shrinkage (``C`` of scikit-learn).
        prior_rows: weight of the further observations.

    Source: Kull et al., Beyond temperature scaling (NeurIPS 2019).
    """
    unfitted = Calibration(np.eye(len(CLASS_NAMES)), np.zeros(len(CLASS_NAMES)), PROBABILITY_FLOOR)
    logarithms = unfitted.logarithms(np.vstack([probabilities, np.tile(prior, (len(CLASS_NAMES), 1))]))
    regression = LogisticRegression(C=strength, tol=1e-8, max_iter=1000).fit(
        logarithms,
        np.concatenate([classes, np.arange(len(CLASS_NAMES))]),
        sample_weight=np.concatenate([weights, prior_rows * prior]),
    )
    return Calibration(regression.coef_, regression.intercept_, PROBABILITY_FLOOR)
