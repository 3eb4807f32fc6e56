"""How often the ids of topics are asked for."""

from streams.kafka.topic_ids import TopicIds


class AskedIds(TopicIds):
    """Answers with what a test sets, by its clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.told = ""
        self.asked = 0
        super().__init__({}, lambda: self.now_s)

    def _ask(self, topic: str) -> str:
        self.asked += 1
        return self.told


def test_an_id_is_asked_for_every_five_seconds_at_most_also_if_the_broker_does_not_tell_it() -> None:
    ids = AskedIds()
    assert [ids.of("units"), ids.of("units")] == ["", ""]
    assert ids.asked == 1

    ids.now_s, ids.told = 105.0, "t1"
    assert [ids.of("units"), ids.of("units")] == ["t1", "t1"]
    assert ids.asked == 2
