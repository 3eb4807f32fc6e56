"""Our few exceptions.

StreamError
├── SettingsError     a person must change the configuration; every problem in one message
├── Stopped           the engine has found a reason not to go on; nothing further was committed
├── SourceFailed      the consumer cannot go on; a restart repeats
│   └── BrokerDown    no broker answers; ask again later
├── SinkFailed        the producer cannot go on (fenced by a second process with our id)
├── NotPermitted      the broker denies an operation to our principal; a person must allow it
├── RegistryDown      the schema registry does not answer; ask again later
├── RegistryDenied    the schema registry refuses our credentials; a person must mend them
├── SchemaUnknown     the registry answers, and does not know the schema
└── SchemaRefused     the registry refuses a schema as incompatible
"""


class StreamError(Exception):
    """Root of what this runtime raises on purpose."""


class SettingsError(StreamError):
    """A person must change the configuration."""


class Stopped(StreamError):
    """The engine has found a reason not to go on."""


class SourceFailed(StreamError):
    """The consumer cannot go on."""


class BrokerDown(SourceFailed):
    """No broker answers."""


class SinkFailed(StreamError):
    """The producer cannot go on."""


class NotPermitted(StreamError):
    """The broker denies an operation to our principal."""


class RegistryDown(StreamError):
    """The schema registry does not answer."""


class RegistryDenied(StreamError):
    """The schema registry refuses our credentials."""


class SchemaUnknown(StreamError):
    """The registry does not know this schema."""


class SchemaRefused(StreamError):
    """The registry refuses this schema as incompatible with earlier versions."""
