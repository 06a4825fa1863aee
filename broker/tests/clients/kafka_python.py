"""An idempotent producer of kafka-python with its default settings, and what it left behind.

Usage: kafka_python.py BOOTSTRAP TOPIC COUNT

Produces the numbers below COUNT and prints a line "acknowledged N" now and then. Then reads the
topic back and exits with 0 if every number is there once, and each partition's are in order.
"""

import collections
import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

READ_SECONDS_MAX = 60
ROUND = 500


def produce(bootstrap, topic, count):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    assert producer.config["enable_idempotence"] is True
    assert producer.config["acks"] == -1
    acknowledged = 0
    failures = []
    lock = threading.Lock()

    def succeeded(_):
        nonlocal acknowledged
        with lock:
            acknowledged += 1

    for number in range(count):
        future = producer.send(topic, str(number).encode())
        future.add_callback(succeeded)
        future.add_errback(failures.append)
        time.sleep(0.001)
        if number % ROUND == 0:
            print("acknowledged", acknowledged, flush=True)
    producer.flush()
    producer.close()
    print("acknowledged", acknowledged, flush=True)
    assert not failures, failures[:3]
    assert acknowledged == count, acknowledged


def read_back(bootstrap, topic, count):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found = collections.defaultdict(list)
    deadline = time.monotonic() + READ_SECONDS_MAX
    while any(consumer.position(p) < ends[p] for p in partitions):
        assert time.monotonic() < deadline, "the records could not be read in time"
        for partition, records in consumer.poll(timeout_ms=500).items():
            found[partition].extend(int(record.value) for record in records)
    consumer.close()
    numbers = collections.Counter(n for values in found.values() for n in values)
    twice = sorted(number for number, times in numbers.items() if times > 1)
    lost = sorted(set(range(count)) - set(numbers))
    disordered = [p for p, values in found.items() if values != sorted(values)]
    print(f"read {sum(numbers.values())}, twice {twice[:9]}, lost {lost[:9]}, out of order {disordered}")
    return not twice and not lost and not disordered


def main():
    bootstrap, topic, count = sys.argv[1].split(","), sys.argv[2], int(sys.argv[3])
    produce(bootstrap, topic, count)
    sys.exit(0 if read_back(bootstrap, topic, count) else 1)


main()
