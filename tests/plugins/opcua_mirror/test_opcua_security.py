"""Who gets in, and what he may do there; and what asyncua alone would let through."""

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyAes256Sha256RsaPss, SecurityPolicyBasic256Sha256
from hall import LASER
from opcua_hall import CLIENT_TIMEOUT_S

from gateway.kernel.clock import ManualClock
from plugins.opcua_mirror import pki as pki_
from plugins.opcua_mirror.pki import Pki
from plugins.opcua_mirror.server import FAILURES_MAX
from plugins.opcua_mirror.users import FILE, Users

pytestmark = pytest.mark.asyncio(loop_scope="module")
ERRORS = ua.uaerrors
NOW = ManualClock().now()


async def test_a_viewer_looks_and_nothing_else(floor):
    async with floor.session("vera") as session:
        node = session.node(f"cell/{LASER}/Name")
        assert await node.read_value() == "Laser"
        with pytest.raises(ERRORS.BadUserAccessDenied):
            await node.write_value("Mine")
        with pytest.raises(ERRORS.BadUserAccessDenied):
            await session.call(f"cell/{LASER}/actions", "Start")
        with pytest.raises(ERRORS.BadUserAccessDenied):
            await session.client.nodes.objects.add_folder(session.index, "mine")


async def test_an_operator_writes_nothing_either(floor):
    async with floor.session("olga") as session:
        for path in (f"cell/{LASER}/Name", f"cell/{LASER}/JobOrderControl/JobOrderList"):
            with pytest.raises(ERRORS.BadUserAccessDenied):
                await session.node(path).write_value("Mine")
        with pytest.raises(ERRORS.BadUserAccessDenied):
            await session.client.delete_nodes([session.node(f"cell/{LASER}")])


@pytest.mark.parametrize("name", ["olga", "nobody", None])
async def test_no_login_no_session(floor, name):
    with pytest.raises((ERRORS.BadUserAccessDenied, ERRORS.BadIdentityTokenRejected)):
        async with floor.session(name, "wrong"):
            pass


async def test_a_user_who_is_removed_is_out_at_the_next_login(floor):
    floor.user("tina")
    async with floor.session("tina"):
        pass
    Users(floor.folder).remove("tina")
    with pytest.raises(ERRORS.BadUserAccessDenied):
        async with floor.session("tina"):
            pass


async def test_no_endpoint_without_encryption(floor):
    endpoints = await Client(floor.url, timeout=CLIENT_TIMEOUT_S).connect_and_get_server_endpoints()
    modes = {(one.SecurityPolicyUri.rpartition("#")[2], one.SecurityMode.name) for one in endpoints}
    assert modes == {("Basic256Sha256", "SignAndEncrypt"), ("Aes256_Sha256_RsaPss", "SignAndEncrypt")}
    assert {token.TokenType.name for one in endpoints for token in one.UserIdentityTokens} == {"UserName"}
    assert {one.Server.ApplicationUri for one in endpoints} == {Pki(floor.folder).own(NOW).uri}
    with pytest.raises((ERRORS.BadSecurityPolicyRejected, ua.UaError)):
        async with Client(floor.url, timeout=CLIENT_TIMEOUT_S):
            pass


async def test_the_stronger_policy_works_too(floor):
    client = Client(floor.url, timeout=CLIENT_TIMEOUT_S)
    client.application_uri = floor.client.own(NOW).uri
    await client.set_security(SecurityPolicyAes256Sha256RsaPss, floor.client.certificate, floor.client.key)
    client.set_user("vera")
    client.set_password(floor.passwords["vera"])
    async with client:
        assert (await client.nodes.objects.read_browse_name()).Name == "Objects"


async def test_an_unknown_application_is_turned_away_and_kept_for_people_to_look_at(floor, tmp_path):
    stranger = Pki(tmp_path / "stranger")
    own = stranger.own(NOW)
    with pytest.raises(ERRORS.BadCertificateUntrusted):
        async with _client(floor, stranger, own.uri):
            pass
    here = Pki(floor.folder)
    assert [one.id for one in here.rejected()] == [own.id]
    here.trust(own.id)
    assert here.rejected() == []
    async with _client(floor, stranger, own.uri):
        pass
    here.distrust(own.id)
    with pytest.raises(ERRORS.BadCertificateUntrusted):
        async with _client(floor, stranger, own.uri):
            pass


async def test_for_some_minutes_everybody_is_let_in_and_stays(floor, tmp_path):
    guest = Pki(tmp_path / "guest")
    own = guest.own(NOW)
    here, clock = Pki(floor.folder), floor.gateway._clock
    here.let_in(10, clock.now())
    async with _client(floor, guest, own.uri):
        pass
    here.let_in(0, clock.now())
    async with _client(floor, guest, own.uri):
        pass


async def test_a_certificate_that_is_only_shown_is_not_enough(floor, tmp_path):
    """Somebody else's certificate in CreateSession, or none at all: the channel's counts."""
    thief = Pki(tmp_path / "thief")
    thief.own(NOW)
    for shown in (floor.client, None):
        client = await _secured(floor, thief, floor.client.own(NOW).uri)
        await client.connect_socket()
        try:
            await client.send_hello()
            await client.open_secure_channel()
            policy = client.security_policy
            real = policy.host_certificate
            policy.host_certificate = (
                b"" if shown is None else pki_._load(shown.certificate).public_bytes(pki_.Encoding.DER)
            )
            policy.asymmetric_cryptography.verify = lambda *_: None  # the server signs what it knows of the channel
            await client.create_session()
            policy.host_certificate = real
            with pytest.raises(ERRORS.BadCertificateUntrusted):
                await client.activate_session(username="olga", password=floor.passwords["olga"])
        finally:
            client.disconnect_socket()


async def test_a_session_that_nobody_has_logged_into_may_do_nothing(floor):
    client = await _secured(floor, floor.client, floor.client.own(NOW).uri)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        with pytest.raises(ERRORS.BadUserAccessDenied):
            await client.nodes.objects.read_browse_name()
    finally:
        client.disconnect_socket()


async def test_the_token_of_another_session_cannot_be_guessed(floor):
    async with floor.session("olga") as one, floor.session("vera") as other:
        tokens = [session.client.uaclient.protocol.authentication_token for session in (one, other)]
        assert all(len(token.Identifier) == 32 for token in tokens)
        assert tokens[0] != tokens[1]


async def test_nobody_registers_servers(floor):
    client = await _secured(floor, floor.client, floor.client.own(NOW).uri)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        with pytest.raises(ERRORS.BadServiceUnsupported):
            await client.uaclient.register_server(
                ua.RegisteredServer(ServerUri="urn:x", ServerNames=[ua.LocalizedText("x")])
            )
    finally:
        client.disconnect_socket()


async def test_damaged_users_let_nobody_in(floor):
    file = floor.folder / FILE
    kept = file.read_bytes()
    try:
        file.write_text("{")
        with pytest.raises(ERRORS.BadUserAccessDenied):
            async with floor.session("olga"):
                pass
    finally:
        file.write_bytes(kept)
    async with floor.session("olga"):
        pass


async def test_who_fails_too_often_waits(floor):
    """The last one here: it shuts out everybody who comes from this address."""
    for _ in range(FAILURES_MAX):
        with pytest.raises(ERRORS.BadUserAccessDenied):
            async with floor.session("olga", "wrong"):
                pass
    with pytest.raises(ERRORS.BadUserAccessDenied):
        async with floor.session("olga"):
            pass


async def _secured(floor, pki: Pki, uri: str) -> Client:
    client = Client(floor.url, timeout=CLIENT_TIMEOUT_S)
    client.application_uri = uri
    await client.set_security(SecurityPolicyBasic256Sha256, pki.certificate, pki.key)
    return client


class _client:  # noqa: N801 -- used like a function
    """A session of olga's with another application's certificate."""

    def __init__(self, floor, pki: Pki, uri: str) -> None:
        self._given = floor, pki, uri

    async def __aenter__(self) -> Client:
        floor, pki, uri = self._given
        self._client = await _secured(floor, pki, uri)
        self._client.set_user("olga")
        self._client.set_password(floor.passwords["olga"])
        await self._client.connect()
        return self._client

    async def __aexit__(self, *_) -> None:
        await self._client.disconnect()
