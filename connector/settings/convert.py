"""Settings into the values that the runtime and the core understand. Pure."""

from collections.abc import Mapping

from connector.routing import Routing, Target
from connector.settings import model
from streams.flow import Pace, Policy


def policy(processing: model.Processing) -> Policy:
    """Raises ValueError for numbers that do not fit together."""
    return Policy(
        session_s=processing.session,
        lease_s=processing.lease,
        call_deadline_s=processing.call_deadline,
        grace_s=processing.grace,
        read_ahead=processing.read_ahead,
        checkpoint_min_s=processing.checkpoint_min,
        max_outputs=processing.max_outputs,
        max_awake=processing.max_awake,
        retry_budget=processing.retry_budget,
        retry_base_s=processing.retry_base,
        retry_cap_s=processing.retry_cap,
        age_step_s=processing.age_step,
        stall_s=processing.stall,
    )


def pace(account: model.Account) -> Pace:
    return Pace(
        per_second=account.requests_per_second,
        strict=account.rate.strict,
        linger_s=account.rate.linger,
        floor_per_second=account.rate.floor_per_second,
        reserve=account.rate.reserve,
    )


def routing(
    targets: Mapping[str, model.Target],
    currencies: Mapping[str, str],
    allowed: Mapping[str, frozenset[str]] | None = None,
) -> Routing:
    """``allowed``: the EANs of each target with an allow-list. Raises ValueError naming both sides of a clash."""
    lists = allowed or {}
    return Routing.of(
        Target(
            id=name,
            account=target.account,
            storefront=target.storefront,
            currency=currencies[target.storefront],
            price_sync=target.price_sync,
            enabled=target.enabled,
            allow_eans=lists.get(name),
        )
        for name, target in targets.items()
    )
