"""Finds the least bytes for each cluster of examples/optimum.rs with HiGHS and compares.

Fails unless bound <= optimum <= plan <= 1.2 x optimum everywhere. Where HiGHS is stopped by its
time limit it leaves an interval for the optimum: the bound is held against its upper end, the plan
against its lower end.
"""

import json
import sys

import highspy
import numpy as np

LIMIT = 1.10
FACTOR = 1.2
ROUNDING = 1e-6


def optimum(instance: dict, seconds: float) -> tuple[float, float] | None:
    """Least and most that the optimum can be; None where the goals cannot be met."""
    racks, partitions = instance["racks"], instance["partitions"]
    brokers = len(racks)
    sizes = [follower[0] for _, _, follower in partitions]
    scale = sum(sizes) / len(sizes)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("time_limit", seconds)
    highs.setOptionValue("mip_rel_gap", 1e-5)
    # Column of a replica of p on b: 2 (p brokers + b); of its leadership: the next one.
    for (replicas, _, _), size in zip(partitions, sizes):
        for broker in range(brokers):
            highs.addCol(0.0 if broker in replicas else size / scale, 0.0, 1.0, 0, [], [])
            highs.addCol(0.0, 0.0, 1.0, 0, [], [])
    columns = 2 * brokers * len(partitions)
    kinds = np.full(columns, highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(columns, np.arange(columns, dtype=np.int32), kinds)

    def row(low: float, high: float, entries: list[tuple[int, float]]) -> None:
        index = np.array([at for at, _ in entries], dtype=np.int32)
        value = np.array([value for _, value in entries])
        highs.addRow(low, high, len(entries), index, value)

    infinity = highspy.kHighsInf
    for at, (replicas, _, _) in enumerate(partitions):
        first = 2 * at * brokers
        places = [first + 2 * broker for broker in range(brokers)]
        row(len(replicas), len(replicas), [(place, 1.0) for place in places])
        row(1.0, 1.0, [(place + 1, 1.0) for place in places])
        for place in places:
            row(-infinity, 0.0, [(place + 1, 1.0), (place, -1.0)])
        for rack in set(racks):
            on_rack = [places[b] for b in range(brokers) if racks[b] == rack]
            row(-infinity, 1.0, [(place, 1.0) for place in on_rack])
    for resource in range(4):
        total = sum(
            leader[resource] + (len(replicas) - 1) * follower[resource]
            for replicas, leader, follower in partitions
        )
        limit = LIMIT * total / brokers
        for broker in range(brokers):
            entries = []
            for at, (_, leader, follower) in enumerate(partitions):
                place = 2 * (at * brokers + broker)
                entries.append((place, follower[resource] / limit))
                entries.append((place + 1, (leader[resource] - follower[resource]) / limit))
            row(-infinity, 1.0, [(at, value) for at, value in entries if value != 0.0])
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None
    info = highs.getInfo()
    return max(info.mip_dual_bound, 0.0) * scale, info.objective_function_value * scale


def main() -> int:
    instances, seconds = json.load(open(sys.argv[1])), float(sys.argv[2])
    broken, factors, closed, infeasible = 0, [], 0, 0
    for instance in instances:
        name = (f"seed {instance['seed']}: {len(instance['racks'])} brokers, "
                f"{len(instance['partitions'])} partitions")
        found = optimum(instance, seconds)
        bound, bytes_ = instance["bound_bytes"] or 0, instance["bytes"]
        if found is None:
            infeasible += 1
            print(f"{name}: the goals cannot be met; {instance['violations']} left by the plan")
            broken += instance["violations"] == 0
            continue
        least, most = found
        closed += most - least <= 1e-4 * max(most, 1.0)
        holds = (
            instance["violations"] == 0
            and bound <= most * (1 + ROUNDING) + 1
            and least <= bytes_ * (1 + ROUNDING) + 1
            and bytes_ <= FACTOR * least + 1
        )
        broken += not holds
        factor = bytes_ / least if least > 0 else 1.0 if bytes_ == 0 else float("inf")
        factors.append(factor)
        print(f"{name}: bound {bound:.4e} <= optimum {least:.4e} to {most:.4e} <= plan "
              f"{bytes_:.4e}, {factor:.3f} of the optimum, {instance['violations']} violations"
              f"{'' if holds else '  BROKEN'}", flush=True)
    factors.sort()
    print(f"{len(instances)} clusters, {infeasible} of them without a solution, {closed} solved to "
          f"the end: plan / optimum median {factors[len(factors) // 2]:.3f}, worst "
          f"{factors[-1]:.3f}; {broken} broken")
    return broken > 0


sys.exit(main())
