"""Finds the least bytes for each cluster of examples/optimum.rs with HiGHS and compares.

HiGHS is stopped by a time limit and leaves an interval for the optimum; where its lower end proves
nothing, it is raised by cases (see least_by_cases). The bound is held against the upper end. The plan must not be below its lower end, and is within the factor of 1.2 where it is so of
the lower end; it is too dear where it is not even so of the upper end; between the two there is no
proof. Fails where a bound is above, a plan below or too dear, or goals that can be met are not.
"""

import json
import sys
import time

import highspy
import numpy as np

LIMIT = 1.10
FACTOR = 1.2
ROUNDING = 1e-5
NO_PROOF = "HiGHS has no proof that it is within the factor"


def limits(instance: dict) -> list[float]:
    """Most of each resource that a broker may have."""
    totals = [0.0] * 4
    for replicas, leader, follower in instance["partitions"]:
        for resource in range(4):
            totals[resource] += leader[resource] + (len(replicas) - 1) * follower[resource]
    return [LIMIT * total / len(instance["racks"]) for total in totals]


def mean_size(instance: dict) -> float:
    """Costs are in mean replicas."""
    sizes = [follower[0] for _, _, follower in instance["partitions"]]
    return sum(sizes) / len(sizes)


def solver(instance: dict, whole: bool) -> highspy.Highs:
    """The goals and the bytes of an instance; replicas and leaderships are whole, or may be split."""
    racks, partitions = instance["racks"], instance["partitions"]
    brokers, scale = len(racks), mean_size(instance)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    # Column of a replica of p on b: 2 (p brokers + b); of its leadership: the next one.
    for replicas, _, follower in partitions:
        for broker in range(brokers):
            cost = 0.0 if broker in replicas else follower[0] / scale
            highs.addCol(cost, 0.0, 1.0, 0, [], [])
            highs.addCol(0.0, 0.0, 1.0, 0, [], [])
    if whole:
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
    for resource, limit in enumerate(limits(instance)):
        for broker in range(brokers):
            entries = []
            for at, (_, leader, follower) in enumerate(partitions):
                place = 2 * (at * brokers + broker)
                entries.append((place, follower[resource] / limit))
                entries.append((place + 1, (leader[resource] - follower[resource]) / limit))
            row(-infinity, 1.0, [(at, value) for at, value in entries if value != 0.0])
    return highs


def optimum(instance: dict, seconds: float) -> tuple[float, float] | None:
    """Least and most that the optimum can be; None where the goals cannot be met."""
    highs, scale = solver(instance, whole=True), mean_size(instance)
    highs.setOptionValue("time_limit", seconds)
    highs.setOptionValue("mip_rel_gap", 1e-5)
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None
    info = highs.getInfo()
    most = float("inf")
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        most = info.objective_function_value * scale
    return max(info.mip_dual_bound, 0.0) * scale, most


def least_by_cases(instance: dict, seconds: float) -> float:
    """A lower end of the optimum; 0 where so many seconds of the processor do not suffice for it.

    One broker leads the partition whose leader is most of what a broker may have, so the least is that
    of the best of these cases. Where leaderships may be split, each broker leads a part of it, and it
    does not show that whoever leads it must hand on most of what it has.
    """
    most, brokers = limits(instance), len(instance["racks"])
    shares = [max(load / limit for load, limit in zip(leader, most))
              for _, leader, _ in instance["partitions"]]
    heaviest = shares.index(max(shares))
    highs, least = solver(instance, whole=False), float("inf")
    started = time.process_time()
    highs.run()
    for broker in range(brokers):
        if time.process_time() - started > seconds:
            return 0.0
        column = 2 * (heaviest * brokers + broker) + 1
        highs.changeColBounds(column, 1.0, 1.0)
        highs.run()
        status = highs.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            least = min(least, highs.getInfo().objective_function_value)
        elif status != highspy.HighsModelStatus.kInfeasible:
            return 0.0
        highs.changeColBounds(column, 0.0, 1.0)
    return least * mean_size(instance)


def verdict(instance: dict, least: float, most: float) -> str:
    """What is wrong with a plan of a cluster whose goals can be met; nothing where it is right."""
    bound, copied = instance["bound_bytes"] or 0, instance["bytes"]
    if instance["violations"] > 0:
        return "the goals can be met, but the plan does not meet them"
    if bound > most * (1 + ROUNDING) + 1:
        return "the bound is above the optimum"
    if copied < least * (1 - ROUNDING) - 1:
        return "the plan is below the optimum"
    if copied > FACTOR * most + 1:
        return "the plan is too dear"
    return "" if copied <= FACTOR * least + 1 else NO_PROOF


def main() -> int:
    instances, seconds = json.load(open(sys.argv[1])), float(sys.argv[2])
    broken, unproven, closed, infeasible, unknown, factors = 0, 0, 0, 0, 0, []
    for instance in instances:
        name = (f"seed {instance['seed']}: {len(instance['racks'])} brokers, "
                f"{len(instance['partitions'])} partitions")
        found = optimum(instance, seconds)
        if found is None:
            infeasible += 1
            print(f"{name}: the goals cannot be met; {instance['violations']} left by the plan")
            broken += instance["violations"] == 0
            continue
        least, most = found
        if most == float("inf") and instance["violations"] > 0:
            unknown += 1
            print(f"{name}: HiGHS did not find whether the goals can be met; "
                  f"{instance['violations']} left by the plan", flush=True)
            continue
        closed += most < float("inf") and most - least <= 1e-3 * max(most, 1.0)
        wrong = verdict(instance, least, most)
        if wrong == NO_PROOF:
            least = max(least, least_by_cases(instance, seconds))
            wrong = verdict(instance, least, most)
        unproven += wrong == NO_PROOF
        broken += wrong not in ("", NO_PROOF)
        factor = instance["bytes"] / least if least > 0 else float("inf") if instance["bytes"] else 1.0
        factors.append(factor)
        print(f"{name}: bound {instance['bound_bytes'] or 0:.4e}, optimum {least:.4e} to {most:.4e}, "
              f"plan {instance['bytes']:.4e}, at most {factor:.3f} of the optimum"
              f"{': ' + wrong if wrong else ''}", flush=True)
    factors.sort()
    shares = (f"plan / optimum median {factors[len(factors) // 2]:.3f}, worst {factors[-1]:.3f}"
              if factors else "none to compare")
    print(f"{len(instances)} clusters, {infeasible} of them without a solution, {unknown} open; of the "
          f"other {len(factors)}, {closed} solved to the end: {shares}; {unproven} without a proof of "
          f"{FACTOR}; {broken} broken")
    return broken > 0


sys.exit(main())
