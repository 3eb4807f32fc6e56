"""When the TLS certificates that the settings name end. Not pure: it reads their files each time."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from connector.settings.model import Settings
from streams.http.certificates import ends


def certificates_end(configured: Settings) -> Mapping[str, float | None]:
    """Returns, by setting, the seconds since 1970 at which no certificate of the file is valid any more.

    Of a client's certificate only the first counts: its chain follows it. None: the file cannot be read, or is not PEM.
    """
    return {setting: _end_s(file, is_own=is_own) for setting, file, is_own in _files(configured)}


def _files(configured: Settings) -> Iterator[tuple[str, Path, bool]]:
    """Yields setting and file, and whether the file has the client's own certificate."""
    registry, properties = configured.registry, configured.kafka.properties
    named = (
        ("http.ca_file", configured.http.ca_file, False),
        ("registry.ca_file", registry.ca_file, False),
        ("registry.client_certificate_file", registry.client_certificate_file, True),
        ("kafka.properties.ssl.ca.location", properties.get("ssl.ca.location"), False),
        ("kafka.properties.ssl.certificate.location", properties.get("ssl.certificate.location"), True),
    )
    yield from ((setting, Path(str(file)), is_own) for setting, file, is_own in named if file)


def _end_s(file: Path, *, is_own: bool) -> float | None:
    try:
        found = ends(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not found:
        return None
    return (found[0] if is_own else max(found)).timestamp()
