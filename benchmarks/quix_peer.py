"""The same work in Quix Streams: the newest price of each key in its state, and a result for every event, exactly once.

Goes on in the interpreter ``--python``, which has Quix Streams (see ``benchmarks/peers.py``) and not this project's
dependencies; so it imports nothing of this repository. Ends on SIGTERM.
"""

import argparse
import importlib
import json
import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, Final

_HEADER_BYTES: Final = 5  # of Confluent's wire format, before the Avro value


class Prices:
    """Decodes an event, compares its price with that in the key's state, and returns the result."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._avro = importlib.import_module("fastavro")
        self._schema = self._avro.parse_schema(schema)

    def result(self, raw: bytes, state: Any) -> dict[str, Any]:
        event = self._avro.schemaless_reader(BytesIO(raw[_HEADER_BYTES:]), self._schema)
        price = str(event["price"]["amount"])
        before = state.get("price")
        if price != before:
            state.set("price", price)
        status = "UNCHANGED" if price == before else "APPLIED"
        return {"event_id": event["event_id"], "status": status, "before": before, "requested": price}


def main() -> None:
    options = _options()
    if sys.executable != options.python:
        os.execv(options.python, [options.python, "-m", "benchmarks.quix_peer", *sys.argv[1:]])
    application = importlib.import_module("quixstreams").Application(
        broker_address=options.brokers,
        consumer_group=f"{options.results}.quix",
        auto_offset_reset="latest",
        processing_guarantee="exactly-once",
        commit_interval=0.5,
        state_dir=options.state,
        loglevel="INFO",
    )
    prices = Prices(json.loads(options.schema.read_text("utf-8")))
    events = application.topic(options.input, value_deserializer="bytes", key_deserializer="bytes")
    results = application.topic(options.results, value_serializer="json", key_serializer="bytes")
    application.dataframe(events).apply(prices.result, stateful=True).to_topic(results)
    application.run()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
