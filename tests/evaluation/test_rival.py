"""The champion trades the challenger's final window, on an account of its own."""

from typing import Any

import numpy as np
import pandas as pd
from judged import CONDITIONS, known, market
from known_predictions import signals_of

from crypto_kedro.evaluation.rival import measure_rival
from crypto_kedro.learning.gates import NO_CHAMPION
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.market.frame import frame_from_bars

MINUTES, BARS = (frame_from_bars(bars) for bars in market()[:2])
COLUMNS = ["short", "flat", "long"]


class Telling:
    """A bundle whose features are its probabilities."""

    feature_names = tuple(COLUMNS)

    def predict_proba(self, values: FloatArray) -> FloatArray:
        return values

    def predict_by_model(self, values: FloatArray) -> dict[str, FloatArray]:
        return {"only": values}


def features(knowledge: float) -> pd.DataFrame:
    said = known(knowledge)
    frame = said[["timestamp"]].copy()
    frame[COLUMNS] = said[["p_short", "p_flat", "p_long"]].to_numpy()
    return frame


def rival(champion: dict[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    return measure_rival(champion, frame, signals_of(known(0.75)), MINUTES, BARS, CONDITIONS, kelly=1.0)


def test_given_no_champion_then_there_is_none_to_compare() -> None:
    nobody = {"version": None, "bundle": None}
    assert rival(nobody, features(0.75)) == {"version": NO_CHAMPION, "net_profit": None}


def test_given_a_champion_that_knows_then_it_earns_and_one_that_is_silent_does_not() -> None:
    champion = {"version": "ensemble version 3", "bundle": Telling()}
    knowing, silent = rival(champion, features(0.75)), rival(champion, features(0.05))
    assert knowing["version"] == "ensemble version 3"
    assert knowing["net_profit"] > 0
    assert silent["net_profit"] == 0.0


def test_the_champion_is_judged_on_the_final_window_alone() -> None:
    champion = {"version": "ensemble version 3", "bundle": Telling()}
    frame = features(0.75)
    before = known(0.75)["window"] != "final"
    frame.loc[before, COLUMNS] = np.array([0.0, 1.0, 0.0])
    assert rival(champion, frame) == rival(champion, features(0.75))


def test_given_a_champion_of_other_features_then_it_cannot_be_compared() -> None:
    champion = {"version": "ensemble version 3", "bundle": Telling()}
    compared = rival(champion, features(0.75).drop(columns="long"))
    assert compared == {"version": "ensemble version 3", "net_profit": None}
