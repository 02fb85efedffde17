"""Mosquitto's configuration: one template for each major.minor, and what only some versions know. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path

from gateway.settings import Bridge

Version = tuple[int, int, int]

RUNS = (2, 0, 11)  # nothing older was tried
PATCHED = (2, 0, 16)  # before it, only a distribution's back-ports close CVE-2023-0809, -3592, -28366
BRIDGE = "plant"
SYSTEM_CA = Path("/etc/ssl/certs")

_COMMON = """persistence true
persistence_location {folder}/
autosave_interval 60
persistent_client_expiration 14d
max_queued_messages 10000
max_queued_bytes 67108864
max_inflight_messages 20
max_packet_size 300000
max_keepalive 300
sys_interval 10
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
"""
_HEADS = {
    (
        2,
        0,
    ): "per_listener_settings false\nallow_anonymous false\npassword_file {folder}/passwd\nacl_file {folder}/acl\n",
    # per_listener_settings is deprecated, and false without being named; each listener says for itself who gets in.
    (2, 1): "password_file {folder}/passwd\nacl_file {folder}/acl\n",
}
_EACH_LISTENER = {(2, 0): "", (2, 1): "listener_allow_anonymous false\n"}


@dataclass(frozen=True, slots=True)
class Tls:
    """The listener for the LAN."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    client_certificates: bool  # the name in a client's certificate is its user


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of it. `bridged`: the topics that go to the plant's broker."""

    folder: Path
    host: str
    port: int
    tls: Tls | None
    bridge: Bridge
    bridged: str
    client_id: str
    as_root: bool


def version(told: str) -> Version | None:
    """`mosquitto version 2.0.11` -> (2, 0, 11); None of another broker."""
    found = re.search(r"\bmosquitto (?:version )?(\d+)\.(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def written(plan: Plan, known: Version) -> str:
    """A version newer than all templates gets the newest."""
    family = max(one for one in _HEADS if one <= known[:2] or one == min(_HEADS))
    each = _EACH_LISTENER[family]
    pieces = (
        "# Written by eryxon-gateway at every start.\n",
        _HEADS[family].format(folder=plan.folder),
        _COMMON.format(folder=plan.folder),
        # As root it would step down to a user who cannot write here, and lose everything retained.
        "user root\n" if plan.as_root else "",
        f"listener {plan.port} {plan.host}\n{each}",
        _tls(plan.tls) + each if plan.tls else "",
        _bridge(plan) if plan.bridge.address else "",
    )
    return "".join(pieces)


def listens(text: str) -> tuple[str, int]:
    """Where a configuration of ours lets us in ourselves."""
    found = re.search(r"^listener (\d+) (\S+)$", text, re.MULTILINE)
    assert found is not None, "every one has it"  # nosec B101 # noqa: S101 -- a bug of ours
    return found[2], int(found[1])


def _tls(tls: Tls) -> str:
    lines = (
        f"listener {tls.port} {tls.host}",
        f"cafile {tls.ca}",
        f"certfile {tls.certificate}",
        f"keyfile {tls.key}",
        "tls_version tlsv1.2",
    )
    certified = ("require_certificate true", "use_identity_as_username true") if tls.client_certificates else ()
    return "".join(f"{line}\n" for line in (*lines, *certified))


def _bridge(plan: Plan) -> str:
    """Out only: nobody up there gives our machines a command."""
    bridge = plan.bridge
    trusted = (f"bridge_cafile {bridge.ca}" if bridge.ca else f"bridge_capath {SYSTEM_CA}",) if bridge.tls else ()
    password = bridge.password.get_secret_value()
    lines = (
        f"connection {BRIDGE}",
        f"address {bridge.address}",
        f"bridge_protocol_version {bridge.protocol}",
        *trusted,
        f"remote_clientid {plan.client_id}",
        *((f"remote_username {bridge.username}",) if bridge.username else ()),
        *((f"remote_password {password}",) if password else ()),
        "cleansession false",
        "try_private true",
        "notifications true",
        "notifications_local_only true",
        f"topic {plan.bridged} out 1",
    )
    return "".join(f"{line}\n" for line in lines)
