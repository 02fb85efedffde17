"""Publishers over TLS and with a password, on a real Mosquitto with a CA that we made; and a canary that must be found nowhere."""

import json

import pytest
from publishing import PATH, Publishers, certificates
from tcp import free_port
from uns_hall import HOST, until

from gateway.publishers import sender, senders

PASSWORD = "CANARY-publisher-77d1"


@pytest.fixture
def publishers(floor, monkeypatch):
    monkeypatch.setattr(sender, "BREAKER_OPEN_S", 0.2)
    monkeypatch.setattr(senders, "PAUSE_MAX_S", 0.05)
    return Publishers(floor)


@pytest.fixture
def secured(foreign, tmp_path):
    """(its port for TLS, its CA): nobody gets in without a password."""
    pem, folder = certificates(tmp_path / "ca")
    port = free_port()
    passwords = foreign.password("eryxon", PASSWORD)
    foreign.start(
        "",
        more=f"password_file {passwords}\nlistener {port} {HOST}\ncafile {folder}/ca.pem\n"
        f"certfile {folder}/server.pem\nkeyfile {folder}/server.key",
    )
    return port, pem


def login(**more):
    return {"use_tls": True, "username": "eryxon", "password": PASSWORD, **more}


async def test_it_comes_in_with_password_and_the_brokers_own_authority(publishers, secured):
    port, pem = secured
    async with publishers.on():
        row = await publishers.make(port, **login(ca_certificate=pem))
        happened = await publishers.works(2)
        await publishers.drained(row)
        assert publishers.link(row).state == "up"
    assert [one["event_type"] for one in await publishers.logs(row)] == happened


async def test_the_scheme_of_the_address_asks_for_tls_as_well(publishers, secured):
    port, pem = secured
    async with publishers.on():
        row = await publishers.make(
            1, broker_url=f"mqtts://localhost:{port}", **login(ca_certificate=pem, use_tls=False)
        )
        await until(lambda: publishers.link(row).state == "up", "TLS by mqtts://")


# After a handshake that failed the MQTT library leaves the socket to the garbage collector, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong"}, "does not let"),
        ({"ca_certificate": None}, "CERTIFICATE_VERIFY_FAILED"),
        ({"ca_certificate": "another"}, "CERTIFICATE_VERIFY_FAILED"),
        ({"use_tls": False}, "cannot be reached"),
    ],
)
async def test_what_does_not_fit_is_told_and_mended_at_run_time(publishers, secured, tmp_path, changed, said):
    port, pem = secured
    if changed.get("ca_certificate") == "another":
        changed = {"ca_certificate": certificates(tmp_path / "other", name="somebody else")[0]}
    async with publishers.on():
        row = await publishers.make(port, **(login(ca_certificate=pem) | changed))
        await until(lambda: said in (publishers.link(row).error or ""), said)
        assert said in (await publishers.row(row))["last_error"]
        await publishers.change(row, **{name: login(ca_certificate=pem)[name] for name in changed})
        await until(lambda: publishers.link(row).state == "up")
        await publishers.works(1)
        await publishers.drained(row)
        assert (await publishers.row(row))["last_error"] is None


async def test_the_password_is_found_nowhere(publishers, secured, capfd):
    port, pem = secured
    floor = publishers.floor
    async with publishers.on():
        row = await publishers.make(port, **login(ca_certificate=pem))
        await publishers.works(1)
        await publishers.drained(row)
        await floor.send("POST", f"{PATH}/{row['id']}/test")
        await publishers.change(row, password=PASSWORD + "x")  # refused from now on, and that is told
        await until(lambda: publishers.link(row).state == "down")
        health = json.dumps([[link.error, link.facts] for link in publishers.health])
    headers = {"Authorization": f"Bearer {floor.key}"}
    told = [health, *capfd.readouterr()]
    for path in ("/api-export?entities=full", "/api-snapshot", "/api-changes?since=0", PATH, "/api-mqtt-logs"):
        async with floor.session.get(floor.url + path, headers=headers) as answer:
            told.append(await answer.text())
    folder = floor.db.path.parent
    told += [file.read_bytes().decode("latin-1") for file in folder.glob("gateway.sqlite*")]
    assert not [text[:80] for text in told if PASSWORD in text]


async def test_a_password_of_another_box_is_asked_for_again(publishers, secured):
    port, pem = secured
    row = await publishers.make(port, **login(ca_certificate=pem))
    (publishers.floor.db.path.parent / "box.key").unlink()
    async with publishers.on():
        await until(lambda: "set it again" in (publishers.link(row).error or ""))
        await publishers.change(row, password=PASSWORD)
        await until(lambda: publishers.link(row).state == "up")
