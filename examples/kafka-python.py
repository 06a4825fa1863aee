#!/usr/bin/env python3
"""Uses a Kintsugi cluster as any Kafka: creates a topic, sends, flushes, lists, consumes.

    pip install kafka-python==3.0.12
    python3 kafka-python.py BOOTSTRAP [SECONDS]

Goes on for SECONDS (default 20), and ends with an error if a record that was acknowledged was not
consumed.
"""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

TOPIC = "test_topic"


def main() -> int:
    bootstrap = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=3)])
        print(f"created {TOPIC}")
    except TopicAlreadyExistsError:
        print(f"{TOPIC} is there already")
    print("topics:", ", ".join(sorted(admin.list_topics())))

    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", retries=100)
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        group_id="example",
        auto_offset_reset="earliest",
        consumer_timeout_ms=500,
    )
    run = str(time.time_ns())
    sent, consumed, number = {}, set(), 0
    deadline = time.monotonic() + seconds
    told = time.monotonic()
    while time.monotonic() < deadline:
        for _ in range(20):
            value = f"{run} {number}"
            sent[value] = producer.send(TOPIC, value.encode())
            number += 1
        producer.flush(timeout=60)
        for records in consumer.poll(timeout_ms=500).values():
            consumed.update(record.value.decode() for record in records)
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            print(f"sent {len(sent)}, consumed {len(consumed)}", flush=True)

    acked = {value for value, future in sent.items() if future.succeeded()}
    patience = time.monotonic() + 60
    while not acked <= consumed and time.monotonic() < patience:
        for records in consumer.poll(timeout_ms=500).values():
            consumed.update(record.value.decode() for record in records)
    # A member that leaves spares the next run the wait for its session to end (45 s).
    consumer.close()
    producer.close()
    admin.close()
    missing = acked - consumed
    print(f"sent {len(sent)}, acked {len(acked)}, consumed {len(acked & consumed)}, lost {len(missing)}")
    return 1 if missing or not acked else 0


if __name__ == "__main__":
    sys.exit(main())
