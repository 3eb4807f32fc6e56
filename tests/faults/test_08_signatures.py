"""Every call of the connector passes a signature check that shares no code with it."""

import pytest

from simulator.scenario import made_up_keys
from tests.faults.conftest import FAST_MISS, Deploy
from tests.faults.workload import all_hold, mixed, wall_us
from tests.harness.tcp_proxy import ForwardedRequest, TcpProxy
from tests.unit.connector.kaufland.independent_check import faults_of


def objections(passed: ForwardedRequest, *, body: bytes | None = None, target: str | None = None) -> list[str]:
    client_key, secret_key = made_up_keys("main")
    return faults_of(
        method=passed.method,
        scheme="http",
        target=passed.target if target is None else target,
        headers=passed.headers,
        body=passed.body if body is None else body,
        client_key=client_key,
        secret_key=secret_key,
        now_s=passed.arrived_s,
        window_s=5,
    )


@pytest.mark.parametrize(("mode", "write"), [("batch", "POST"), ("single", "PATCH")])
def test_every_sent_call_has_a_valid_signature_and_altered_ones_are_refused(
    deploy: Deploy, mode: str, write: str
) -> None:
    deployment = deploy(partitions=2, catalogue="eans = 60", settings=f'{FAST_MISS}mode = "{mode}"\n')
    deployment.marketplace.fault("stumble", {"kind": "respond", "status": 500}, skip=2, every=5, times=5)
    with TcpProxy(deployment.marketplace.url) as passage:
        deployment.account = {"base_url": passage.url}
        deployment.command("check", "--config", str(deployment.config("check")))
        connector = deployment.connector()
        produced = deployment.produce(mixed(deployment, seed=8).messages(300, wall_us()))

        deployment.settle(produced)

        assert connector.stop() == 0
    seen = {passed.method for passed in passage.passed}
    assert seen == {"GET", write}
    assert {passed.status for passed in passage.passed} >= {200, 500}
    for passed in passage.passed:
        assert objections(passed) == [], passed
        assert "signature" in objections(passed, body=passed.body + b" ")
        assert "signature" in objections(passed, target=passed.target + "&")
    all_hold(deployment, produced)
