"""Alerts whose causes last for minutes or hours: the offer flow in the engine, in virtual time, and its metrics page.

The others are fired on running processes, by ``tests/test_alert_causes.py`` and ``tests/faults/test_29_alerts.py``.
"""

import pytest

from connector.console.gauges import READY, exposition, without_labels
from streams.flow import Answer, Retry
from streams.messages import Arrivals
from streams.telemetry import Telemetry
from tests.harness.alert_rules import Page, holding, scraped
from tests.unit.connector.offers.test_daily_budget import CATALOGUE, UNKNOWN, LimitedShop

OUTAGE_S = 1_200.0


class ScrapedShop:
    """A shop with the page that Prometheus scrapes of it."""

    def __init__(self) -> None:
        self._telemetry = Telemetry(lambda _: None)
        self.shop = LimitedShop(self._telemetry)
        self.shop.change(CATALOGUE[0], price="12.00")
        self.shop.calls()
        self._before = self.page()

    def page(self) -> Page:
        self._telemetry.on_snapshot(self.shop.driver.engine.snapshot(self.shop.driver.now))
        text = exposition({READY: without_labels(1.0)}) + self._telemetry.metrics.exposition()
        return scraped(text.decode())

    def alerts(self) -> set[str]:
        """Returns the alerts whose expression holds now, after a day like the first moment."""
        return holding(self._before, [self.page()], self.shop.driver.now.wall_us / 1e6)

    def refuse_for(self, seconds: float) -> None:
        """Answers the next call like a marketplace that is out of order: 503 with this Retry-After."""
        shop = self.shop
        while not shop.driver.calls:
            shop.driver.step(0.05)
        [call] = shop.driver.calls
        shop.driver.calls.remove(call)
        now = shop.driver.now
        shop.driver.feed(
            Answer(
                call=call,
                replies=tuple(Retry(reason="503", counts=False, refused=True) for _ in call.items),
                sent_s=now.mono_s,
                answered_s=now.mono_s,
                sent_us=now.wall_us,
                answered_us=now.wall_us,
                close_account_s=seconds,
                closed_because="503",
            )
        )


@pytest.fixture
def scraped_shop() -> ScrapedShop:
    shop = ScrapedShop()
    assert shop.alerts() == set()
    return shop


def test_an_event_that_waits_for_twenty_minutes_fires_an_alert_and_late_ones_do_when_it_is_settled(
    scraped_shop: ScrapedShop,
) -> None:
    """ConnectorEventStuck, ConnectorAccountClosed; then ConnectorSlowFastBurn, ConnectorSlowSlowBurn."""
    shop = scraped_shop.shop
    shop.change(CATALOGUE[1], price="12.00")
    scraped_shop.refuse_for(OUTAGE_S)
    shop.driver.step(60)
    assert scraped_shop.alerts() == {"ConnectorAccountClosed", "ConnectorNoResults"}

    shop.driver.step(OUTAGE_S - 120)
    assert scraped_shop.alerts() == {"ConnectorAccountClosed", "ConnectorNoResults", "ConnectorEventStuck"}

    shop.driver.step(120)
    shop.calls(60)
    assert scraped_shop.alerts() == {"ConnectorSlowFastBurn", "ConnectorSlowSlowBurn"}


def test_a_daily_budget_that_is_used_up_fires_a_ticket_first_and_a_page_when_prices_and_stock_wait(
    scraped_shop: ScrapedShop,
) -> None:
    """ConnectorDailyBudgetLow, then ConnectorDailyBudgetScarce."""
    shop = scraped_shop.shop
    for ean in UNKNOWN[:75]:
        shop.change(ean, price="12.00")
    shop.calls()
    assert "ConnectorDailyBudgetLow" not in scraped_shop.alerts()

    for ean in CATALOGUE[1:9]:
        shop.change(ean, price="12.00")
    shop.calls()
    assert {"ConnectorDailyBudgetLow", "ConnectorDailyBudgetScarce"} & scraped_shop.alerts() == {
        "ConnectorDailyBudgetLow"
    }

    for ean in CATALOGUE[9:50]:
        shop.change(ean, stock=9)
    shop.calls()
    assert {"ConnectorDailyBudgetLow", "ConnectorDailyBudgetScarce"} <= scraped_shop.alerts()


def test_records_that_an_open_transaction_holds_back_for_minutes_fire_an_alert(scraped_shop: ScrapedShop) -> None:
    """ConnectorUpstreamTransactionOpen. On a broker: ``tests/faults/test_29_alerts.py``."""
    shop = scraped_shop.shop
    shop.driver.feed(Arrivals(ends={shop.at: shop.offset}, log_ends={shop.at: shop.offset + 30}))
    shop.driver.run(100)
    assert scraped_shop.alerts() == set()

    shop.driver.run(30)
    assert scraped_shop.alerts() == {"ConnectorUpstreamTransactionOpen"}
