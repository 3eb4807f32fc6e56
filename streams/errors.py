"""The exceptions of the runtime.

StreamError
├── SettingsError     the configuration must be changed; one message names every problem
├── Stopped           the run was ended for a reason; nothing further was committed
├── SourceFailed      the consumer cannot continue; a restart repeats what was not durable
│   └── BrokerDown    no broker answers; retry later
├── SinkFailed        the producer cannot continue (fenced by a second process with the same transactional id)
├── NotPermitted      the broker denies an operation to the client's principal; it must be allowed
├── RegistryDown      the schema registry does not answer; retry later
├── RegistryDenied    the schema registry rejects the credentials; they must be corrected
├── SchemaUnknown     the schema registry answers, but does not know the schema
└── SchemaRefused     the schema registry rejects a schema as incompatible
"""


class StreamError(Exception):
    """Base class of the exceptions that the runtime raises deliberately."""


class SettingsError(StreamError):
    """The configuration must be changed."""


class Stopped(StreamError):
    """The engine or the runner ended the run for the reason in the message."""


class SourceFailed(StreamError):
    """The consumer cannot continue."""


class BrokerDown(SourceFailed):
    """No broker answers."""


class SinkFailed(StreamError):
    """The producer cannot continue."""


class NotPermitted(StreamError):
    """The broker denies an operation to the client's principal."""


class RegistryDown(StreamError):
    """The schema registry does not answer."""


class RegistryDenied(StreamError):
    """The schema registry rejects the credentials."""


class SchemaUnknown(StreamError):
    """The schema registry does not know this schema."""


class SchemaRefused(StreamError):
    """The schema registry rejects this schema as incompatible with earlier versions."""
