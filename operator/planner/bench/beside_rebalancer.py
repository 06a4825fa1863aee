"""Plans an instance of bench_planner with Meta's Rebalancer and compares.

The goals are the same: no rack with two replicas of a partition, no broker above 1.10 times the
mean of disk, network in, network out and processor, few bytes. Rebalancer has no notion of a
leadership that moves without its data, so a replica keeps the load of its role. Its fastest move
type found so far is SINGLE_GREEDY.
"""

import json
import resource
import sys
import time

from rebalancer import ProblemSolver, __version__

LIMIT = 1.10
# `LimitType.ABSOLUTE`: the binding of 1.0.4 takes the number, not the name.
ABSOLUTE = 1
DIMENSIONS = ["disk", "network_in", "network_out", "cpu"]


def main() -> None:
    instance = json.load(open(sys.argv[1]))
    time_limit_seconds = int(sys.argv[2])
    racks = instance["racks"]
    brokers = [f"b{at}" for at in range(len(racks))]
    placed = {broker: [] for broker in brokers}
    loads = {dimension: {} for dimension in DIMENSIONS}
    groups, home, size = {}, {}, {}
    for partition, (replicas, leader, follower) in enumerate(instance["partitions"]):
        names = []
        for place, broker in enumerate(replicas):
            name = f"{partition}.{place}"
            names.append(name)
            placed[f"b{broker}"].append(name)
            home[name], size[name] = f"b{broker}", follower[0]
            for at, dimension in enumerate(DIMENSIONS):
                loads[dimension][name] = (leader if place == 0 else follower)[at]
        groups[str(partition)] = names
    limits = {d: LIMIT * sum(loads[d].values()) / len(brokers) for d in DIMENSIONS}

    solver = ProblemSolver(service_name="rebalancer", service_scope="bench")
    solver.set_object_name("replica").set_container_name("broker").set_assignment(placed)
    solver.add_scope("rack", dict(zip(brokers, racks)))
    solver.add_partition("partition", groups)
    # Dimensions are scaled to shares of the limit, so that none outweighs another.
    for dimension in DIMENSIONS:
        scaled = {name: load / limits[dimension] for name, load in loads[dimension].items()}
        solver.add_object_dimension(dimension, scaled)
        solver.add_container_dimension(dimension, {}, default_value=1.0)
    solver.add_constraint({"groupCountSpec": {
        "name": "racks", "scope": "rack", "partitionName": "partition",
        "limit": {"type": ABSOLUTE, "globalLimit": 1.0},
    }})
    for dimension in DIMENSIONS:
        solver.add_goal({"capacitySpec": {
            "name": dimension, "scope": "broker", "dimension": dimension,
        }})
    solver.add_goal_boundary()
    solver.add_goal({"minimizeMovementSpec": {
        "name": "bytes", "scope": "broker", "dimension": "disk",
    }})
    solver.add_solver({"localSearchSolverSpec": {
        "solveTime": time_limit_seconds,
        "moveTypeList": [{"singleGreedyMoveTypeSpec": {}}],
    }})
    solver.disable_solution_summary()
    start, busy = time.monotonic(), time.process_time()
    solution = solver.solve()
    seconds, busy = time.monotonic() - start, time.process_time() - busy
    report(instance, solution["assignment"], seconds, busy, limits, loads, groups, home, size)


def report(instance, where, seconds, busy, limits, loads, groups, home, size) -> None:
    rack_of = {f"b{at}": rack for at, rack in enumerate(instance["racks"])}
    moved = [name for name, broker in where.items() if home[name] != broker]
    copied = sum(size[name] for name in moved)
    worst = {}
    for dimension in DIMENSIONS:
        sums = {}
        for name, broker in where.items():
            sums[broker] = sums.get(broker, 0.0) + loads[dimension][name]
        worst[dimension] = max(sums.values()) / limits[dimension] * LIMIT
    shared = sum(
        len(names) - len({rack_of[where[name]] for name in names}) for names in groups.values()
    )
    ours = instance["ours"]
    bound = ours["bound_bytes"]
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"Rebalancer {__version__}, SINGLE_GREEDY: {seconds:.1f} s ({busy / seconds:.1f} cores), "
          f"{len(moved)} replicas moved, {copied:.4e} bytes, {copied / bound:.4f} of the bound, "
          f"most / mean {max(worst.values()):.3f}, {shared} rack violations, {peak_mib} MiB")
    print(f"planner, same run: {ours['seconds'] * 1e3:.1f} ms, {ours['replica_moves']} replicas "
          f"and {ours['leader_moves']} leaderships moved, {ours['bytes']:.4e} bytes, "
          f"{ours['bytes'] / bound:.4f} of the bound")
    print(f"ratio: {seconds / ours['seconds']:.0f} times as fast, "
          f"{ours['bytes'] / copied:.3f} of its bytes, "
          f"{ours['replica_moves'] / max(len(moved), 1):.3f} of its replica moves")


main()
