"""Seasonal naive and Naive2 of the M4 competition, worked out on their own: m4.py SERIES HORIZON SEASON.

Prints JSON with sMAPE and MASE of both, means over series. Needs nothing but Python, and shares no code with what it
checks. Naive2 is the naive forecast of the series adjusted by a multiplicative classical decomposition, if its
autocorrelation at the season passes the competition's test at 90 %.
"""

import csv
import json
import math
import sys


def seasonal_factors(values, season):
    half = season // 2
    ratios = [[] for _ in range(season)]
    for middle in range(half, len(values) - half):
        window = values[middle - half : middle + half + 1]
        trend = (sum(window) - 0.5 * (window[0] + window[-1])) / season if season % 2 == 0 else sum(window) / season
        ratios[middle % season].append(values[middle] / trend)
    means = [sum(one) / len(one) for one in ratios]
    scale = sum(means) / season
    return [one / scale for one in means]


def is_seasonal(values, season):
    if len(values) < 3 * season:
        return False
    mean = sum(values) / len(values)
    square = sum((value - mean) ** 2 for value in values)
    correlations = [
        sum((values[i] - mean) * (values[i - lag] - mean) for i in range(lag, len(values))) / square
        for lag in range(1, season + 1)
    ]
    limit = 1.645 * math.sqrt((1 + 2 * sum(one * one for one in correlations[:-1])) / len(values))
    return abs(correlations[-1]) > limit


def naive2(values, season, horizon):
    if not is_seasonal(values, season):
        return [values[-1]] * horizon
    factors = seasonal_factors(values, season)
    last = values[-1] / factors[(len(values) - 1) % season]
    return [last * factors[(len(values) + step) % season] for step in range(horizon)]


def main():
    path, horizon, season = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    series = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["unique_id"], []).append(float(row["y"]))
    methods = {
        "seasonal_naive": lambda known: [known[len(known) - season + step % season] for step in range(horizon)],
        "naive2": lambda known: naive2(known, season, horizon),
    }
    told = {}
    for name, method in methods.items():
        smape = mase = 0.0
        for values in series.values():
            known, after = values[:-horizon], values[-horizon:]
            ahead = method(known)
            scale = sum(abs(known[i] - known[i - season]) for i in range(season, len(known))) / (len(known) - season)
            smape += sum(200 * abs(y - f) / (abs(y) + abs(f)) for y, f in zip(after, ahead)) / horizon
            mase += sum(abs(y - f) for y, f in zip(after, ahead)) / horizon / scale
        told[name] = {"smape": smape / len(series), "mase": mase / len(series)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
