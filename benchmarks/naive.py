"""The naive consumer: reads, decodes, sends a PATCH, sleeps a fixed time, commits; one event after the other.

It has advantages over a typical simple loop: the unit's id in every event, a persistent connection, prices ready to
send. Run as ``python -m benchmarks.naive --config FILE --group NAME``. Ends on SIGTERM.
"""

import argparse
import http.client
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fastavro
import orjson
from confluent_kafka import Consumer, Message, TopicPartition

import schemas
from connector import configuration
from connector.kaufland.http.signing import CLIENT_KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from connector.settings import convert
from connector.settings.load import key_sources
from connector.settings.model import AccountSettings

_WIRE_FORMAT_BYTES = 5


class Patches:
    """Signs and sends PATCH calls over one connection."""

    def __init__(self, account: AccountSettings) -> None:
        self._client_key, self._secret = (source().strip() for source in key_sources(account))
        address = urlsplit(account.base_url or "")
        self._base = f"{address.scheme}://{address.netloc}"
        self._connection = http.client.HTTPConnection(address.netloc)

    def send(self, unit_id: int, price_cents: int) -> int:
        """Sends a price and returns the response's status."""
        path = f"/v2/units/{unit_id}?storefront=de"
        body = orjson.dumps({"listing_price": price_cents})
        timestamp_s = int(time.time())
        signature = sign(self._secret, method="PATCH", uri=self._base + path, body=body, timestamp_s=timestamp_s)
        headers = {
            CLIENT_KEY_HEADER: self._client_key,
            TIMESTAMP_HEADER: str(timestamp_s),
            SIGNATURE_HEADER: signature,
            "User-Agent": "naive-consumer",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        self._connection.request("PATCH", path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def run(config: Path, group: str) -> None:
    """Runs until SIGTERM."""
    configured = configuration.load_settings(config, os.environ, datetime.now(UTC)).settings
    [account] = configured.accounts.values()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    patches = Patches(account)
    pause_s = 1 / account.requests_per_second
    schema = fastavro.parse_schema(schemas.load("offer_changed", schemas.newest("offer_changed")))
    consumer = Consumer(
        {
            "bootstrap.servers": configured.kafka.bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([convert.topics(configured).offer_changes], on_assign=_from_the_end)
    while not stop.is_set():
        message = consumer.poll(0.1)
        if message is None or message.error() is not None:
            continue
        event: Any = fastavro.schemaless_reader(BytesIO((message.value() or b"")[_WIRE_FORMAT_BYTES:]), schema, None)
        patches.send(event["unit_id"], int(event["price"]["amount"] * 100))
        time.sleep(pause_s)
        consumer.commit(offsets=[_next(message)], asynchronous=False)
    consumer.close()


def _next(message: Message) -> TopicPartition:
    return TopicPartition(message.topic() or "", message.partition() or 0, (message.offset() or 0) + 1)


def _from_the_end(consumer: Consumer, parts: list[TopicPartition]) -> None:
    """Assigns the partitions from their ends on: existing records belong to other measurements."""
    for part in parts:
        part.offset = consumer.get_watermark_offsets(part, timeout=10, cached=False)[1]
    consumer.assign(parts)
    sys.stdout.write("partition_opened\n" * len(parts))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--group", required=True)
    options = parser.parse_args()
    run(options.config, options.group)


if __name__ == "__main__":
    main()
