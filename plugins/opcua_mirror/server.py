"""asyncua's server, with what it needs before a machine may be left alone with it.

What it lacks (2.1.0), and what is done about it here:
* Tokens of sessions are counted up. Whoever guesses one may attach a connection to another's session, and stays attached when
  his login is refused: tokens are random.
* A session that nobody has logged into is somebody without a name: the rules here let only our own users do anything.
* The certificate in CreateSession is not compared with the channel's, and may be left out: the channel's is looked at, too, at
  the login.
* Anybody may register servers, without a login: nobody may.
* It asks for names also where nothing is encrypted, and they are refused: there only anybody is offered.
* Logins may be signed or encrypted by what is broken (SHA-1, PKCS #1 v1.5): they are refused.
* `OfType` in a filter is equality: here it is the type or one below it.
* What it lacks in a session stands in `sessions.py`.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

import structlog
from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset, UserRole
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server import monitored_item_service
from asyncua.server.internal_server import InternalServer
from asyncua.server.monitored_item_service import WhereClauseEvaluator
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.plugin_api import Clock, StartupError
from plugins.opcua_mirror.pki import ID_DIGITS, Pki, fingerprint
from plugins.opcua_mirror.sessions import Session, Signed
from plugins.opcua_mirror.users import OPERATOR, User, Users

CONNECTIONS_MAX = 20
SUBSCRIPTIONS_MAX = 100
SESSION_MAX_MS = 120_000
QUEUE_MAX = 1_000
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
BUFFER_BYTES = 65_535
FAILURES_MAX, FAILURES_S = 5, 60.0  # logins of one address
ADDRESSES_MAX = 1_000
TOKEN_BYTES = 32
FIRST_MAX = 2**30  # numbers of subscriptions begin below it
_BROKEN = ("http://www.w3.org/2001/04/xmlenc#rsa-1_5", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """Whose session it is; `user` None: anybody, who may only look."""

    user: User | None
    role: UserRole = UserRole.User  # for asyncua: never its Admin

    @property
    def name(self) -> str:
        return "anonymous" if self.user is None else self.user.name

    @property
    def may_call(self) -> bool:
        return self.user is not None and self.user.role == OPERATOR


CURRENT: ContextVar[Person | None] = ContextVar("opcua_person", default=None)  # whose request is being answered


def _ids(names: str) -> frozenset[ua.NodeId]:
    return frozenset(
        ua.NodeId(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary")) for name in names.split()
    )


_LOOKING = _ids(
    "Read Browse BrowseNext TranslateBrowsePathsToNodeIds RegisterNodes UnregisterNodes CreateSubscription ModifySubscription "
    "DeleteSubscriptions TransferSubscriptions CreateMonitoredItems ModifyMonitoredItems DeleteMonitoredItems SetMonitoringMode "
    "SetPublishingMode Publish Republish CloseSession"
)
_CALLING = _LOOKING | _ids("Call")


class Rules(PermissionRuleset):  # type: ignore[misc] # untyped, see pyproject.toml
    def check_validity(self, user: Any, action_type_id: ua.NodeId, body: Any) -> bool:  # noqa: ARG002 -- asyncua's form
        if not isinstance(user, Person):
            return False
        CURRENT.set(user)
        return action_type_id in (_CALLING if user.may_call else _LOOKING)


class Door:
    """Who gets in: the application by its certificate, then the person by a password, or by a certificate of his own."""

    def __init__(self, pki: Pki, users: Users, clock: Clock, *, insecure_readonly: bool) -> None:
        self._pki = pki
        self._users = users
        self._clock = clock
        self._anybody = insecure_readonly
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._formal = CertificateValidator(
            CertificateValidatorOptions.BASIC_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
        )
        self.address = ""  # whose login is being looked at: set right before, nothing comes between

    async def application(self, certificate: x509.Certificate, description: ua.ApplicationDescription) -> None:
        """At CreateSession, so that an honest client is told why. Raises ServiceError."""
        await self._formal.validate(certificate, description)
        der = certificate.public_bytes(Encoding.DER)
        if not self._pki.trusts(der, self._clock.now()):
            log.warning("opcua.certificate_rejected", application=description.ApplicationUri)
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    def channel(self, certificate: bytes | None) -> None:
        """At ActivateSession; empty on a channel without security. Raises ServiceError."""
        if certificate and not self._pki.trusts(certificate, self._clock.now()):
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    def get_user(
        self, _iserver: Any, username: str | None = None, password: str | None = None, certificate: bytes | None = None
    ) -> Person | None:
        """At ActivateSession; `certificate` is the channel's, empty on one without security, or the person's."""
        if isinstance(certificate, Signed):
            shown = bytes(certificate)
            return self._login(fingerprint(shown)[:ID_DIGITS], lambda: self._users.bearer(shown, self._clock.now()))
        if username is None:
            return Person(None) if self._anybody else None
        if not certificate:
            return None  # a password that has come in the clear
        return self._login(username, lambda: self._users.check(username, password or ""))

    def _login(self, name: str, check: Callable[[], User | None]) -> Person | None:
        now_s = time.monotonic()
        failed = [at_s for at_s in self._failures.get(self.address, []) if now_s - at_s < FAILURES_S]
        if len(failed) >= FAILURES_MAX:
            log.warning("opcua.login_refused", user=name, address=self.address, why="too many failures")
            return None
        try:
            user = check()
        except StartupError as exc:
            log.warning("opcua.users_damaged", error=exc.message)
            return None
        if user is not None:
            self._failures.pop(self.address, None)
            return Person(user)
        log.warning("opcua.login_failed", user=name, address=self.address)
        self._failures[self.address] = [*failed, now_s]
        self._failures.move_to_end(self.address)
        while len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        return None


class Guarded(InternalServer):  # type: ignore[misc] # untyped, see pyproject.toml
    """asyncua's inner server, with unguessable tokens, and no registry of other servers."""

    time_task: asyncio.Task[None] | None  # its clock

    def __init__(self, door: Door) -> None:
        super().__init__(user_manager=door)
        self.door = door
        self.subscription_service._sub_id_counter = secrets.randbelow(FIRST_MAX)  # noqa: SLF001 -- no other place for it
        self.certificate_validator = door.application
        self.allow_remote_admin = False
        self.max_connections = CONNECTIONS_MAX
        self.max_subscriptions = SUBSCRIPTIONS_MAX
        self.max_session_timeout_ms = SESSION_MAX_MS
        self.max_monitored_item_queue_size = QUEUE_MAX

    def register_external_session(self, session: Any) -> None:
        session.auth_token = ua.NodeId(secrets.token_bytes(TOKEN_BYTES), 0, ua.NodeIdType.ByteString)
        super().register_external_session(session)

    def add_endpoint(self, endpoint: ua.EndpointDescription) -> None:
        if endpoint.SecurityMode == ua.MessageSecurityMode.None_:
            anybody = [one for one in endpoint.UserIdentityTokens if one.TokenType == ua.UserTokenType.Anonymous]
            endpoint.UserIdentityTokens = anybody
        super().add_endpoint(endpoint)

    def create_session(self, name: Any, user: Any = None, external: bool = False) -> Session:  # noqa: FBT001, FBT002, ARG002 -- asyncua's form
        return Session(self, self.aspace, self.subscription_service, name, external=external)

    def decrypt_user_token(self, isession: Any, token: ua.UserNameIdentityToken) -> Any:
        if token.EncryptionAlgorithm in _BROKEN:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        return super().decrypt_user_token(isession, token)

    def verify_x509_token(self, isession: Any, token: ua.X509IdentityToken, signature: ua.SignatureData) -> Signed:
        if signature.Algorithm in _BROKEN:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        return Signed(super().verify_x509_token(isession, token, signature))

    def register_server(self, server: Any, conf: Any = None) -> None:  # noqa: ARG002 -- asyncua's form
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)

    @property
    def counts(self) -> dict[str, int]:
        """For people: who is here, and how much there is."""
        watched = len(self.subscription_service.subscriptions)
        return {"sessions": len(self._external_sessions), "subscriptions": watched, "nodes": len(self.aspace.keys())}

    async def stop(self) -> None:
        """Whoever has not logged out is logged out: asyncua leaves sessions, and their tasks, behind. And it waits up to a second
        for its clock, longer than a plugin may take.
        """
        for session in [*self._external_sessions.values()]:
            await session.close_session(delete_subs=True)
        if self.time_task is not None:
            self.time_task.cancel()
            await asyncio.wait([self.time_task])
            self.time_task = None
        await super().stop()


class Subtypes(WhereClauseEvaluator):  # type: ignore[misc] # untyped, see pyproject.toml
    """Walks up the types for `OfType`; remove it once asyncua does."""

    def _eval_el(self, index: int, event: Any) -> Any:
        element = self.elements[index]
        if element.FilterOperator == ua.FilterOperator.OfType:
            wanted = self._eval_op(element.FilterOperands[0], event)
            return any(one == wanted for one in self._up(event.EventType))
        return super()._eval_el(index, event)

    def _up(self, kind: ua.NodeId | None) -> Iterable[ua.NodeId]:
        subtype = ua.NodeId(ua.ObjectIds.HasSubtype)
        while kind is not None and (data := self._aspace.get(kind)) is not None:
            yield kind
            above = (one.NodeId for one in data.references if not one.IsForward and one.ReferenceTypeId == subtype)
            kind = next(above, None)


def policies(*, sign: bool, insecure_readonly: bool) -> list[ua.SecurityPolicyType]:
    found = [
        ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
    ]
    if sign:
        found += [ua.SecurityPolicyType.Basic256Sha256_Sign, ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign]
    return [*found, ua.SecurityPolicyType.NoSecurity] if insecure_readonly else found


async def made(
    door: Door,
    pki: Pki,
    uri: str,
    *,
    host: str,
    port: int,
    sign: bool,
    insecure_readonly: bool,
    user_certificates: bool,
    version: str,
) -> Server:
    """Does not listen yet. `uri`: of the application, as our certificate has it."""
    monitored_item_service.WhereClauseEvaluator = Subtypes  # it has no other place for it
    server = Server(iserver=Guarded(door))
    server.limits = TransportLimits(
        max_recv_buffer=BUFFER_BYTES,
        max_send_buffer=BUFFER_BYTES,
        max_chunk_count=ceil(MESSAGE_BYTES_MAX / BUFFER_BYTES),
        max_message_size=MESSAGE_BYTES_MAX,
    )
    server.name, server.manufacturer_name = "eryxon-gateway", "Eryxon"
    server.product_uri = "urn:eryxon:gateway"
    server.application_type = ua.ApplicationType.Server
    await server.init()
    await server.set_application_uri(uri)
    await server.set_build_info(
        server.product_uri, server.manufacturer_name, server.name, version, "0", datetime.now(UTC)
    )
    server.set_endpoint(f"opc.tcp://{f'[{host}]' if ':' in host else host}:{port}/eryxon")
    server.socket_address = (host, port)
    tokens: list[type] = [ua.UserNameIdentityToken]
    tokens += [ua.X509IdentityToken] if user_certificates else []
    tokens += [ua.AnonymousIdentityToken] if insecure_readonly else []
    server.set_identity_tokens(tokens)
    server.set_security_policy(policies(sign=sign, insecure_readonly=insecure_readonly), permission_ruleset=Rules())
    await server.load_certificate(str(pki.certificate), "pem")
    await server.load_private_key(str(pki.key), format="pem")
    return server
