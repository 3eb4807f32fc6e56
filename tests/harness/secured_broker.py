"""A broker with TLS, SCRAM-SHA-512 and ACLs, for tests of what a principal is allowed to do.

``StandardAuthorizer`` denies what no ACL allows. The broker's plaintext listener stays, for the tests alone: whoever
comes that way is ``User:ANONYMOUS``, a super user, who makes users and ACLs. TLS is in PEM for the clients; the key
pair is made by Java's keytool.
"""

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from devstack.jvm_stack import JvmStack, free_ports
from devstack.processes import wait_for
from streams.kafka.settings import KafkaConnection

_STORE_PASSWORD: Final = "keystore-of-a-test"
_ITERATIONS: Final = 4096  # the fewest that a broker takes
_ASK_S: Final = 30.0


def key_pair(folder: Path) -> tuple[Path, Path]:
    """A fresh key pair for 127.0.0.1: (PKCS12 store for a broker, its self-signed certificate in PEM)."""
    store, certificate = folder / "broker.p12", folder / "ca.pem"
    common = ("-keystore", str(store), "-storetype", "PKCS12", "-storepass", _STORE_PASSWORD, "-alias", "broker")
    extensions = ("-ext", "san=ip:127.0.0.1,dns:localhost", "-ext", "bc:critical=ca:true")
    made = ("-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=localhost", "-validity", "30")
    _keytool("-genkeypair", *common, *made, *extensions)
    _keytool("-exportcert", *common, "-rfc", "-file", str(certificate))
    return store, certificate


def _keytool(*arguments: str) -> None:
    keytool = shutil.which("keytool") or "keytool"  # it comes with every Java runtime
    subprocess.run((keytool, *arguments), check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


class SaslListener:
    """The SASL_SSL listener of one broker: what its server.properties say further, and where clients find it."""

    def __init__(self, folder: Path) -> None:
        self._store, self.certificate = key_pair(folder)
        self._port = 0

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    def lines(self, port: int, controller_port: int) -> str:
        """A ``jvm.More``: called again where a start needs other ports."""
        (self._port,) = free_ports(1)
        listeners = f"PLAINTEXT://127.0.0.1:{port},SASL_SSL://{self.bootstrap_servers}"
        return f"""
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location={self._store}
ssl.keystore.password={_STORE_PASSWORD}
ssl.key.password={_STORE_PASSWORD}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScramUser:
    """A SCRAM user of the broker."""

    name: str
    password: str

    @property
    def principal(self) -> str:
        """As ACLs name it."""
        return f"User:{self.name}"


class SecuredBroker:
    """One broker with a SASL_SSL listener, and the super user's means to say who may do what."""

    def __init__(self, stack: JvmStack, listener: SaslListener) -> None:
        self.stack = stack
        self._listener = listener
        self.admin = AdminClient({"bootstrap.servers": stack.bootstrap_servers, "log_level": 0})

    @property
    def bootstrap_servers(self) -> str:
        """Of the SASL_SSL listener."""
        return self._listener.bootstrap_servers

    @property
    def certificate(self) -> Path:
        """In PEM; who trusts it trusts the broker."""
        return self._listener.certificate

    def add_user(self) -> ScramUser:
        """A principal that nobody else has, allowed nothing."""
        user = ScramUser(name=f"user-{uuid.uuid4().hex[:10]}", password=uuid.uuid4().hex)
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        upsertion = UserScramCredentialUpsertion(user.name, info, user.password.encode())
        for answer in self.admin.alter_user_scram_credentials([upsertion]).values():
            answer.result(_ASK_S)
        return user

    def properties(self, user: ScramUser) -> dict[str, Any]:
        """What a client needs beside ``bootstrap_servers``, in librdkafka's names."""
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.certificate),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user.name,
            "sasl.password": user.password,
        }

    def connection(self, user: ScramUser) -> KafkaConnection:
        return KafkaConnection(
            bootstrap_servers=self.bootstrap_servers, client_id=user.name, properties=self.properties(user)
        )

    def allow(self, bindings: Sequence[AclBinding]) -> None:
        """Add ACLs of one principal; they count when this returns."""
        if not bindings:
            return
        for answer in self.admin.create_acls(list(bindings)).values():
            answer.result(_ASK_S)
        wait_for("the ACLs to count", lambda: set(bindings) <= self.acls(bindings[0].principal), every_s=0.01)

    def withdraw(self, binding: AclBinding) -> None:
        """Delete one ACL; it no longer counts when this returns. Raises KeyError where it was not there."""
        exactly = AclBindingFilter(
            binding.restype,
            binding.name,
            binding.resource_pattern_type,
            binding.principal,
            binding.host,
            binding.operation,
            binding.permission_type,
        )
        (answer,) = self.admin.delete_acls([exactly]).values()
        if not answer.result(_ASK_S):
            raise KeyError(f"no such ACL: {binding}")
        wait_for("the ACL to be gone", lambda: binding not in self.acls(binding.principal), every_s=0.01)

    def acls(self, principal: str) -> set[AclBinding]:
        """Those of a principal that the broker heeds now; the controller knows of a change some moments earlier."""
        of_all = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type] # any name
            ResourcePatternType.ANY,
            principal,
            None,  # type: ignore[arg-type] # any host
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        return set(self.admin.describe_acls(of_all, request_timeout=_ASK_S).result(_ASK_S))


@contextmanager
def secured_broker(cache: Path, *, with_registry: bool = False) -> Iterator[SecuredBroker]:
    """For as long as the context lasts; see ``JvmStack`` for ``cache``. Raises StackUnavailable."""
    with tempfile.TemporaryDirectory(prefix="kafka-tls-") as folder:
        listener = SaslListener(Path(folder))
        with JvmStack(cache, with_registry=with_registry, more=listener.lines) as stack:
            yield SecuredBroker(stack, listener)
