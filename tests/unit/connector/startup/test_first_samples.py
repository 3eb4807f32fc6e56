"""Which series a process begins with."""

from pathlib import Path

from connector.startup.first_samples import first_samples
from tests.unit.connector.settings.test_load import MINIMAL, read


def test_accounts_inputs_and_the_calls_of_targets_begin_at_zero(tmp_path: Path) -> None:
    for name, length in (("client_key", 32), ("secret_key", 64)):
        (tmp_path / name).write_text("0" * length)
    settings = read(tmp_path, MINIMAL + "\n[shipments]\nenabled = true\n").settings

    found = {(name, *labels.values()) for name, labels in first_samples(settings, ["changes"])}

    assert found == {
        ("stream_records_read_total", "changes"),
        ("stream_slow_downs_total", "main"),
        *(("stream_calls_total", "main", kind) for kind in ("lookup:de", "update:de", "send")),
        *(("stream_event_to_settled_seconds", "main", kind) for kind in ("update:de", "send")),
    }
