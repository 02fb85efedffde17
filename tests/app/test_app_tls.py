"""The gateway's own certificates, looked at by the TLS of the standard library."""

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest

from gateway.kernel.clock import BUILD_DATE, SystemClock
from gateway.kernel.errors import StartupError
from gateway.tls import CERTIFICATE_DAYS, HTTP, MQTT, RENEW_DAYS, Tls


@pytest.fixture
def own(tmp_path):
    return Tls(tmp_path)


def now() -> datetime:
    return SystemClock().now()


def spoken(own: Tls, name: str, called: str, trusted: Tls | None = None) -> str:
    """What a client hears who connects to `called` and trusts that CA."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pair = own.pair(name)
    serving.load_cert_chain(pair.certificate, pair.key)
    context = ssl.create_default_context(cafile=(trusted or own).ca.certificate)
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            with serving.wrap_socket(there, server_side=True) as speaking:
                speaking.sendall(b"hello")
        except (ssl.SSLError, OSError):
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with context.wrap_socket(here, server_hostname=called) as hearing:
            return hearing.recv(5).decode()
    finally:
        here.close()
        thread.join()


def test_it_is_good_for_every_name_and_address_of_this_machine(own):
    own.issue(HTTP, now(), ["gateway.example", "10.9.8.7"])
    for called in (socket.gethostname(), "localhost", "127.0.0.1", "gateway.example", "10.9.8.7"):
        assert spoken(own, HTTP, called) == "hello", called
    with pytest.raises(ssl.SSLCertVerificationError):
        spoken(own, HTTP, "elsewhere.example")


def test_a_stranger_with_a_ca_of_the_same_name_is_not_trusted(own, tmp_path):
    other = Tls(tmp_path / "other")
    own.issue(HTTP, now())
    other.issue(HTTP, now())
    with pytest.raises(ssl.SSLCertVerificationError):
        spoken(other, HTTP, "localhost", trusted=own)


def test_all_its_files_are_for_the_owner_only(own, tmp_path):
    own.issue(HTTP, now())
    own.client("laser-1", tmp_path / "usb", now())
    files = [*own.folder.iterdir(), *(tmp_path / "usb").iterdir()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(own.folder.stat().st_mode) == 0o700


def test_the_same_ca_signs_again_and_the_old_names_stay(own):
    own.issue(MQTT, now(), ["broker.example"])
    ca = own.ca.certificate.read_bytes()
    first = own.pair(MQTT).certificate.read_bytes()
    assert own.kept(MQTT, now()).certificate.read_bytes() == first
    late = now() + timedelta(days=CERTIFICATE_DAYS - RENEW_DAYS + 1)
    assert own.kept(MQTT, late).certificate.read_bytes() != first
    assert "broker.example" in own.names(MQTT)
    assert own.ca.certificate.read_bytes() == ca
    own.issue(MQTT, now(), own.names(MQTT))
    assert spoken(own, MQTT, "broker.example") == "hello"


def test_an_address_that_is_new_is_in_the_next_one(own, monkeypatch):
    own.kept(MQTT, now())
    monkeypatch.setattr("gateway.tls._ipv4", lambda: ["192.0.2.7"])
    own.kept(MQTT, now())
    assert {"192.0.2.7", "127.0.0.1"} <= set(own.names(MQTT))


def test_health_says_so_before_one_ends(own):
    assert own.problem(now()) is None
    own.issue(HTTP, now())
    assert own.problem(now()) is None
    late = now() + timedelta(days=CERTIFICATE_DAYS - 10)
    assert "server.crt ends in" in own.problem(late)
    assert "tls renew" in own.problem(late)


def test_a_clock_that_was_never_set_does_not_make_one_that_ended_long_ago(own):
    own.issue(HTTP, datetime(1970, 1, 1, tzinfo=UTC))
    assert own.ends(HTTP) > BUILD_DATE + timedelta(days=CERTIFICATE_DAYS - 2)


def test_a_ca_that_is_half_there_is_never_replaced_in_silence(own):
    own.issue(HTTP, now())
    own.ca.key.unlink()
    with pytest.raises(StartupError, match=r"bring ca\.crt and ca\.key back"):
        own.issue(HTTP, now())
    own.ca.key.write_text("rubbish")
    with pytest.raises(StartupError, match="cannot be used"):
        own.issue(HTTP, now())
    own.pair(HTTP).certificate.write_text("rubbish")
    with pytest.raises(StartupError, match="tls renew"):
        own.ends(HTTP)
    assert "tls renew" in own.problem(now())


def test_who_makes_the_ca_at_the_same_moment_shares_it(tmp_path):
    """The command line makes a client's certificate while the gateway opens the door to the LAN for that device."""
    for number in range(5):
        folder = tmp_path / str(number)
        together = threading.Barrier(2)
        failed = []

        def sign(name: str, folder=folder, together=together, failed=failed) -> None:
            together.wait()
            try:
                Tls(folder).issue(name, now())
            except StartupError as exc:
                failed.append(exc.message)

        both = [threading.Thread(target=sign, args=(name,)) for name in (HTTP, MQTT)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert not failed
        assert [spoken(Tls(folder), name, "localhost") for name in (HTTP, MQTT)] == ["hello", "hello"]
