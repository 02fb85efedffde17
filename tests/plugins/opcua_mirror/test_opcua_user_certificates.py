"""People who log in by a certificate of their own instead of a password."""

import base64
from datetime import UTC, datetime

import pytest
from asyncua import Client, ua
from asyncua.crypto import security_policies
from hall import LASER
from opcua_hall import CLIENT_TIMEOUT_S, NAMESPACE, Session, opened
from scada import scada

from gateway.plugin_api import StartupError
from plugins.opcua_mirror import pki as pki_
from plugins.opcua_mirror.pki import Pki
from plugins.opcua_mirror.users import Users

ERRORS = ua.uaerrors


def made(folder) -> Pki:
    """A certificate and its key."""
    pki = Pki(folder)
    pki.own(datetime.now(UTC))
    return pki


async def client_of(floor, person: Pki, *, key: Pki | None = None) -> Client:
    client = Client(floor.url, timeout=CLIENT_TIMEOUT_S)
    client.application_uri = floor.client.own(datetime.now(UTC)).uri
    await client.set_security(
        security_policies.SecurityPolicyBasic256Sha256, floor.client.certificate, floor.client.key
    )
    await client.load_client_certificate(str(person.certificate))
    await client.load_private_key(str((key or person).key))
    return client


async def test_whose_certificate_is_known_gets_in(tmp_path, monkeypatch):
    vera, olga, stranger = (made(tmp_path / name) for name in ("vera", "olga", "stranger"))
    async with opened(tmp_path, user_certificates=True) as floor:
        await floor.listening()
        floor.trust()
        users = Users(floor.folder)
        for name, role, person in (("vera", "viewer", vera), ("olga", "operator", olga)):
            assert users.add(name, role, (), None, pki_.fingerprint_in(person.certificate)) is None
        operation, _ = await floor.plan()
        async with await client_of(floor, vera) as client:
            session = Session(client, await client.get_namespace_index(NAMESPACE))
            assert await session.value(f"cell/{LASER}/Name") == "Laser"
            with pytest.raises(ERRORS.BadUserAccessDenied):
                await session.call(f"cell/{LASER}/actions", "Start")
        for person, key, refusal in (
            (stranger, None, ERRORS.BadUserAccessDenied),
            (olga, stranger, ERRORS.BadIdentityTokenInvalid),  # her certificate, without its key
        ):
            with pytest.raises(refusal):
                async with await client_of(floor, person, key=key):
                    pass
        with monkeypatch.context() as patch:
            patch.setattr(security_policies, "sign_asymmetric", _by_sha1)
            with pytest.raises(ERRORS.BadIdentityTokenInvalid):
                async with await client_of(floor, olga):
                    pass
        async with scada(floor, tmp_path, None) as line:
            pem = base64.b64encode(pki_._load(olga.certificate).public_bytes(pki_.Encoding.DER)).decode()
            told = await line.does("open", certificate=pem, key=olga.key.read_text())
            assert "error" not in told, told
            done = await line.start(operation)
            assert (done["status"], done["outputs"]) == ("Good", [1])
        users.remove("vera")
        with pytest.raises(ERRORS.BadUserAccessDenied):
            async with await client_of(floor, vera):
                pass


def _by_sha1(key, data, _policy):
    return security_policies.uacrypto.sign_sha1(key, data), "http://www.w3.org/2000/09/xmldsig#rsa-sha1"


def test_a_certificate_is_one_persons_and_only_for_its_time(tmp_path):
    person, users, now = made(tmp_path / "olga"), Users(tmp_path), datetime.now(UTC)
    shown = pki_.fingerprint_in(person.certificate)
    der = pki_._load(person.certificate).public_bytes(pki_.Encoding.DER)
    assert users.bearer(der, now) is None
    users.add("olga", "viewer", (), None, shown)
    assert users.bearer(der, now).name == "olga"
    assert users.bearer(der, person.own(now).ends + (now - now).resolution) is None
    assert users.check("olga", "") is None  # she has no password
    with pytest.raises(StartupError, match='that of "olga"'):
        users.add("otto", "viewer", (), None, shown)
    users.add("olga", "viewer", (), None)
    assert users.bearer(der, now) is None  # a password instead
