"""Writes the development data as gapless series whose `ds` is a step number: prepare.py DATA FOLDER.

Gaps are filled with the value before, since statsforecast takes the rows of a series for consecutive steps. One file per
set: servegen, tweets, elb, spikes, twitter, azure and m4 (training and test part of each series in one).
"""

import os
import sys

import pandas as pd

STEP_S = 10  # of the request log


def write(frame, freq, path):
    parts = []
    for name, series in frame.groupby("unique_id", sort=False):
        time = pd.to_datetime(series["ds"])
        step = ((time - time.iloc[0]) / pd.Timedelta(freq)).round().astype(int)
        values = pd.Series(series["y"].to_numpy(float), index=step.to_numpy())
        values = values[~values.index.duplicated()].sort_index()
        values = values.reindex(range(int(values.index[-1]) + 1)).ffill()
        parts.append(pd.DataFrame({"unique_id": name, "ds": values.index, "y": values.to_numpy()}))
    pd.concat(parts).to_csv(path, index=False)


def main():
    data, folder = sys.argv[1:]
    read = lambda name: pd.read_csv(os.path.join(data, name + ".csv.gz"))
    out = lambda name: os.path.join(folder, name + ".csv")
    os.makedirs(folder, exist_ok=True)
    write(read("servegen_dev_10min"), "10min", out("servegen"))
    nab = read("nab_dev_5min")
    for name, start in (("tweets", "Twitter"), ("elb", "elb"), ("spikes", "art")):
        write(nab[nab["unique_id"].str.startswith(start)], "5min", out(name))
    write(read("twitter_dev_1min"), "1min", out("twitter"))
    write(pd.concat([read("m4_hourly_dev_train"), read("m4_hourly_dev_test")]), "1h", out("m4"))
    log = read("azure_llm_code_requests")
    step = (log["t_seconds"] // STEP_S).astype(int)
    sums = log.groupby(step).agg(
        requests=("t_seconds", "size"), context=("context_tokens", "sum"), generated=("generated_tokens", "sum")
    )
    sums = sums.reindex(range(int(step.max())), fill_value=0)
    parts = [pd.DataFrame({"unique_id": name, "ds": sums.index, "y": sums[name].to_numpy()}) for name in sums]
    pd.concat(parts).to_csv(out("azure"), index=False)


if __name__ == "__main__":
    main()
