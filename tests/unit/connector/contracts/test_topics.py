"""The required topics, and the findings where the broker's topics differ from them."""

import pytest

from connector.contracts.topic_checks import Limits, TopicFinding, findings
from connector.contracts.topics import ALL_FEATURES, Feature, manifest, named
from streams.topics import TopicDescription

TOPICS = named("kaufland")
LIMITS = Limits(batch_bytes=1_000_000)


def as_wanted(partitions: int = 8) -> dict[str, TopicDescription]:
    """Returns descriptions of topics that meet all requirements."""
    return {
        topic.name: TopicDescription(partitions=partitions, config={**topic.config, "max.message.bytes": "1048588"})
        for topic in manifest(TOPICS)
    }


def found(there: dict[str, TopicDescription]) -> list[TopicFinding]:
    """Returns the findings for these topics."""
    return list(findings(TOPICS, there, LIMITS))


def test_names_are_prefix_dataset_and_version_unless_chosen() -> None:
    topics = named("acme", offer_changes="erp.offers", offer_state=None)

    assert topics.offer_changes == "erp.offers"
    assert topics.offer_changes_dlq == "erp.offers.dlq"
    assert topics.offer_state == "acme.offer-state.v1"


def test_topics_as_wanted_have_no_findings() -> None:
    assert found(as_wanted()) == []


def test_a_missing_topic_is_named_with_how_to_create_it() -> None:
    there = as_wanted()
    del there[TOPICS.offer_results]

    [finding] = found(there)

    assert finding.topic == TOPICS.offer_results
    assert finding.remedy == "connector topics --create"


def test_a_missing_topic_of_the_dry_run_is_created_as_one() -> None:
    there = as_wanted()
    del there[TOPICS.offer_results]

    [finding] = findings(TOPICS, there, LIMITS, dry_run=True)

    assert finding.remedy == "connector topics --create --dry-run"


def test_units_with_another_number_of_partitions_are_an_error_that_resets_no_offsets() -> None:
    topics = named("kaufland", frozenset({Feature.OFFERS, Feature.RECONCILE}))
    counts = {topic.name: 1 if topic.name == topics.scheduler else 8 for topic in manifest(topics)} | {topics.units: 4}
    there = {
        topic.name: TopicDescription(partitions=counts[topic.name], config=topic.config) for topic in manifest(topics)
    } | {topics.scheduler_state: TopicDescription(partitions=1, config={"cleanup.policy": "compact"})}

    [finding] = findings(topics, there, LIMITS)

    assert finding.is_error
    assert "the owner of an EAN would not read its units" in finding.message
    assert "the next sweep fills it" in finding.remedy
    assert "offsets" not in finding.remedy


def test_a_state_topic_with_another_number_of_partitions_is_an_error_with_a_remedy() -> None:
    there = {**as_wanted(), TOPICS.offer_state: TopicDescription(partitions=4, config={"cleanup.policy": "compact"})}

    [finding] = found(there)

    assert finding.is_error
    assert "has 4 partitions, but the input has 8" in finding.message
    assert "reset" in finding.remedy


def test_not_found_may_have_more_partitions_but_not_fewer() -> None:
    config = {"cleanup.policy": "delete,compact"}

    assert found({**as_wanted(), TOPICS.offers_not_found: TopicDescription(partitions=9, config=config)}) == []
    assert found({**as_wanted(), TOPICS.offers_not_found: TopicDescription(partitions=7, config=config)}) != []


def test_an_input_that_is_compacted_is_refused() -> None:
    there = {**as_wanted(), TOPICS.offer_changes: TopicDescription(partitions=8, config={"cleanup.policy": "compact"})}

    [finding] = found(there)

    assert finding.is_error
    assert "expected delete" in finding.message


def test_a_state_that_is_deleted_by_age_is_refused() -> None:
    there = {
        **as_wanted(),
        TOPICS.offer_state: TopicDescription(partitions=8, config={"cleanup.policy": "compact,delete"}),
    }

    assert [finding.is_error for finding in found(there)] == [True]


def test_a_topic_that_takes_smaller_batches_than_the_producer_makes_is_found() -> None:
    there = as_wanted()
    small = {**there[TOPICS.offer_state].config, "max.message.bytes": "500000"}
    there[TOPICS.offer_state] = TopicDescription(partitions=8, config=small)

    [finding] = found(there)

    assert "at most 500000 bytes" in finding.message


@pytest.mark.parametrize(("retention_ms", "kept"), [("2592000000", "for 30 days"), ("-1", "for ever")])
def test_personal_data_kept_too_long_is_found_and_does_not_prevent_a_start(retention_ms: str, kept: str) -> None:
    topics = named("kaufland", frozenset({Feature.CONTACTS}))
    [contacts] = manifest(topics)
    config = {**contacts.config, "retention.ms": retention_ms}

    [finding] = findings(topics, {contacts.name: TopicDescription(partitions=8, config=config)}, LIMITS)

    assert f"keeps personal data {kept}; at most 7 days are expected" in finding.message
    assert "retention.ms=604800000" in finding.remedy
    assert not finding.is_error


def test_personal_data_that_is_kept_for_less_is_no_finding() -> None:
    topics = named("kaufland", frozenset({Feature.CONTACTS}))
    [contacts] = manifest(topics)
    config = {**contacts.config, "retention.ms": "86400000"}

    assert list(findings(topics, {contacts.name: TopicDescription(partitions=8, config=config)}, LIMITS)) == []


def test_topic_settings_that_may_not_be_read_are_not_reported_as_wrong() -> None:
    assert found({name: TopicDescription(partitions=8) for name in as_wanted()}) == []


def test_topics_of_a_disabled_feature_are_not_checked() -> None:
    offers = {topic.name for topic in manifest(named("kaufland"))}
    everything = {topic.name for topic in manifest(named("kaufland", ALL_FEATURES))}
    orders = {topic.name for topic in manifest(named("kaufland", frozenset({Feature.OFFERS, Feature.ORDERS})))}

    assert orders - offers == {
        "kaufland.scheduler.v1",
        "kaufland.scheduler.v1.dlq",
        "kaufland.scheduler-state.v1",
        "kaufland.orders.v1",
        "kaufland.order-changes.v1",
    }
    assert "kaufland.order-contacts.v1" in everything - orders


def test_each_state_follows_the_input_of_its_own_flow() -> None:
    topics = named("kaufland", ALL_FEATURES)
    there = {topic.name: TopicDescription(partitions=8, config=dict(topic.config)) for topic in manifest(topics)}
    alone = {topics.scheduler: 1, topics.scheduler_state: 1, topics.shipments: 3, topics.shipment_state: 3}
    there |= {name: TopicDescription(partitions=count) for name, count in alone.items()}

    assert list(findings(topics, there, LIMITS)) == []
    there[topics.shipment_state] = TopicDescription(partitions=8)
    assert [finding.topic for finding in findings(topics, there, LIMITS)] == [topics.shipment_state]


def test_a_scheduler_topic_with_several_partitions_is_an_error() -> None:
    topics = named("kaufland", frozenset({Feature.ORDERS}))
    there = {topic.name: TopicDescription(partitions=2, config=dict(topic.config)) for topic in manifest(topics)}

    [finding] = findings(topics, there, LIMITS)

    assert finding.topic == topics.scheduler
    assert finding.is_error
    assert "exactly one" in finding.message


def test_a_topic_that_may_not_be_described_has_no_other_findings() -> None:
    hidden = TopicDescription(partitions=0, allowed=frozenset())

    assert found({**as_wanted(), TOPICS.offer_changes: hidden, TOPICS.offer_results: hidden}) == []


def test_each_input_of_an_enabled_feature_has_its_dead_letters() -> None:
    everything = named("shop", ALL_FEATURES)

    assert named("shop").dead_letters == {"shop.offer-changes.v1": "shop.offer-changes.v1.dlq"}
    assert everything.dead_letters == {
        "shop.offer-changes.v1": "shop.offer-changes.v1.dlq",
        "shop.shipments.v1": "shop.shipments.v1.dlq",
        "shop.scheduler.v1": "shop.scheduler.v1.dlq",
    }
    assert named("shop", offer_changes_dlq="mine").dead_letters == {"shop.offer-changes.v1": "mine"}
