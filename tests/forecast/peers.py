"""Forecasts of statsforecast's models on rolling-origin windows, one row per forecast.

Usage: peers.py SERIES OUTPUT --horizon H --windows W --step S --seasons 24,168 [--refit] [--models NAME,..]

SERIES is a gapless long-format file whose `ds` is a step number. OUTPUT gets
`unique_id,ds,cutoff,y,model,mean,lo-95,lo-80,median,hi-80,hi-95`, and OUTPUT.cpu the CPU seconds of each model.
"""

import argparse
import os
import time
import warnings

os.environ.setdefault("NIXTLA_ID_AS_COL", "1")
warnings.filterwarnings("ignore")

import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoARIMA, AutoETS, DynamicTheta, MSTL, Naive, SeasonalNaive, Theta

LEVELS = [80, 95]
LONGEST_STATE = 24  # ETS and ARIMA with longer seasons do not end in any useful time
LONGEST_EXACT = 1500  # of longer series, orders of MSTL-ARIMA are chosen by approximation, as AutoARIMA's always are
FORWARDED = ("AutoETS", "AutoARIMA")  # fitted once and carried forward; the others are fitted at each cutoff


def models(seasons, length):
    first = seasons[0] if seasons else 1
    short = first if first <= LONGEST_STATE else 1
    found = {
        "Naive": Naive(),
        "AutoETS": AutoETS(season_length=short),
        "AutoARIMA": AutoARIMA(season_length=1, approximation=True),
        "Theta": Theta(season_length=first),
        "DynamicTheta": DynamicTheta(season_length=first),
    }
    if seasons:
        found["SeasonalNaive"] = SeasonalNaive(season_length=first)
        found["MSTL-ETS"] = MSTL(season_length=seasons, trend_forecaster=AutoETS(model="ZZN"))
        found["MSTL-ARIMA"] = MSTL(season_length=seasons, trend_forecaster=AutoARIMA(approximation=length > LONGEST_EXACT))
    return found


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("series")
    arguments.add_argument("output")
    arguments.add_argument("--horizon", type=int, required=True)
    arguments.add_argument("--windows", type=int, required=True)
    arguments.add_argument("--step", type=int, required=True)
    arguments.add_argument("--seasons", default="")
    arguments.add_argument("--models", default="")
    arguments.add_argument("--refit", action="store_true")
    asked = arguments.parse_args()
    seasons = [int(season) for season in asked.seasons.split(",") if season]
    wanted = [name for name in asked.models.split(",") if name]

    frame = pd.read_csv(asked.series, dtype={"unique_id": str})
    written, cpu = [], {}
    longest = int(frame.groupby("unique_id").size().max())
    for name, model in models(seasons, longest).items():
        if wanted and name not in wanted:
            continue
        begun = time.process_time()
        engine = StatsForecast(models=[model], freq=1, n_jobs=1, fallback_model=Naive())
        got = engine.cross_validation(
            df=frame,
            h=asked.horizon,
            n_windows=asked.windows,
            step_size=asked.step,
            level=LEVELS,
            refit=asked.refit or name not in FORWARDED,
        )
        cpu[name] = time.process_time() - begun
        column = next(c for c in got.columns if c not in ("unique_id", "ds", "cutoff", "y") and "-lo-" not in c and "-hi-" not in c)
        rows = got[["unique_id", "ds", "cutoff", "y"]].copy()
        rows["model"] = name
        rows["mean"] = got[column].clip(lower=0)
        for side, level in (("lo", 95), ("lo", 80)):
            rows[f"{side}-{level}"] = got[f"{column}-{side}-{level}"].clip(lower=0)
        rows["median"] = rows["mean"]
        for side, level in (("hi", 80), ("hi", 95)):
            rows[f"{side}-{level}"] = got[f"{column}-{side}-{level}"].clip(lower=0)
        bounds = rows.columns[5:]
        rows[bounds] = rows[bounds].replace([float("inf")], float("nan")).apply(lambda one: one.fillna(rows["mean"]))
        written.append(rows)
        print(f"{name}: {cpu[name]:.1f} CPU s", flush=True)
        pd.concat(written).to_csv(asked.output, index=False)
        pd.Series(cpu, name="cpu_s").rename_axis("model").to_csv(asked.output + ".cpu")


if __name__ == "__main__":
    main()
