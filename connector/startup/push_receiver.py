"""Opens the receiver of the marketplace's notifications, and the watch over its subscriptions."""

from contextlib import ExitStack
from functools import partial

import structlog

from connector.contracts.codec import SchemaIds
from connector.contracts.topics import Feature, Topics
from connector.kaufland.push.notifications import PushAccount
from connector.kaufland.push.server import PushServer
from connector.operations.poll import request_poll
from connector.orders.codec import OrderCodecs
from connector.orders.subscriptions import PushReport, PushWatch
from connector.settings import convert, model
from connector.settings.load import key_sources
from connector.settings.model import Settings
from connector.startup.plan import RunPlan
from streams.errors import Stopped

_log = structlog.get_logger("connector")


def open_receiver(plan: RunPlan, ids: SchemaIds, opened: ExitStack) -> int | None:
    """Listens for notifications and returns the port; None if push is disabled or another process listens.

    Raises Stopped.
    """
    push = plan.settings.push
    if not plan.is_first or not push.enabled or Feature.ORDERS not in plan.topics.features or push.public_url is None:
        return None
    poll = partial(request_poll, plan.settings, OrderCodecs(ids, dict[int, str]().get), asked_by="push")
    subscribers = {
        name: PushAccount(url=convert.push_url(push.public_url, name), secret=partial(_secret_key, account))
        for name, account in plan.settings.accounts.items()
    }
    try:
        return opened.enter_context(PushServer(subscribers, host=push.host, port=push.port, poll=poll)).port
    except OSError as error:
        raise Stopped(
            f"the push receiver cannot listen on {push.host}:{push.port}: {error.strerror or error}. "
            "Remedy: set another [push] host or port (0: any free port), or end the process that uses it"
        ) from error


def subscription_watch(configured: Settings, topics: Topics) -> PushWatch | None:
    """Returns the watch over the subscriptions that notify this connector, or None if push is disabled."""
    push = configured.push
    if not push.enabled or Feature.ORDERS not in topics.features or push.public_url is None:
        return None
    urls = {name: convert.push_url(push.public_url, name) for name in convert.order_policy(configured).accounts}
    return PushWatch(urls, _log_report)


def _log_report(report: PushReport) -> None:
    if report.problem is not None:
        _log.warning("the subscriptions cannot be read", account=report.account, reason=report.problem)
    elif report.disabled:
        names = [f"{one.event} on {one.storefront}" for one in report.disabled]
        remedy = "connector push repair"
        _log.warning("the marketplace has disabled subscriptions", account=report.account, of=names, remedy=remedy)
    elif report.none_there:
        remedy = "connector push subscribe, or [push] enabled = false"
        _log.warning("the marketplace notifies nothing to this address", account=report.account, remedy=remedy)
    else:
        _log.info("the marketplace notifies", account=report.account, subscriptions=report.active)


def _secret_key(account: model.AccountSettings) -> str:
    """Reads the key again at each call, because it may have been rotated."""
    return key_sources(account)[1]().strip()
