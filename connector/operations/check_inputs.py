"""Opens the connections that ``connector check`` queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from connector.configuration import rates, routing
from connector.connections import administration, collector_problem, marketplace, registry
from connector.contracts.registry_subjects import look_up
from connector.operations.check import CheckInputs
from connector.operations.required_permissions import limits, needs
from connector.operations.routing import differences
from connector.operations.routing_topic import read_only_routing
from connector.settings import convert
from connector.settings.load import Loaded
from streams.clock import SystemClock


@contextmanager
def open_inputs(loaded: Loaded) -> Iterator[CheckInputs]:
    """Opens what ``connector check`` queries; closes it on exit."""
    configured = loaded.settings
    topics = convert.topics(configured)
    adapter = marketplace(configured)
    try:
        with registry(configured) as client:
            accepted = read_only_routing(configured, client)
            yield CheckInputs(
                loaded=loaded,
                topics=topics,
                limits=limits(configured),
                needs=needs(configured),
                routing=routing(configured),
                storefronts={code: one.code for code, one in adapter.reference().storefronts.items()},
                broker=administration(configured),
                moved=lambda: differences(accepted, configured.kafka.group, routing(configured)),
                subjects=lambda: look_up(client, topics, avro_keys=convert.avro_keys(configured)),
                marketplace=adapter.check,
                collector=lambda: collector_problem(configured),
                version=version("kaufland-stream-connector"),
                rates=rates(configured),
                now_us=SystemClock().now().wall_us,
            )
    finally:
        adapter.close()
