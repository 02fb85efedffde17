"""Checks of what the gateway talks to, and of who can talk to it."""

from collections.abc import Sequence

from gateway.cloud.budget import KEY_REFUSED
from gateway.repairs.facts import Facts
from gateway.repairs.model import ERROR, WARNING, Bad, Check, Fix
from gateway.settings import is_loopback

BEHIND_MAX_S = 24 * 3600.0
GIVEN_UP_S = 3600.0  # a way out of somebody's that has been down so long is no hiccup
_DAY_S = 86_400.0
_WAYS = ("webhook:", "mqtt:")  # how the links of ways out begin that people have made
_PLUGINS = "plugin:"


def _plain_lan(facts: Facts) -> Sequence[Bad] | str:
    told = facts.settings.http.exposed()
    return [Bad(told)] if told else "TLS, or this machine only"


def _certificates(facts: Facts) -> Sequence[Bad] | str | None:
    if not facts.certificates:
        return None
    return [
        Bad(
            one.told,
            one.file.name,
            {"file": str(one.file)},
            ERROR if one.ends is None or one.ends <= facts.now else None,
        )
        for one in facts.certificates
        if one.told
    ] or f"good until {min(one.ends for one in facts.certificates if one.ends):%Y-%m-%d}"


def _broker(facts: Facts) -> Sequence[Bad] | str | None:
    settings = facts.settings.broker
    if settings.mode == "off":
        return None
    where = f"{settings.host}:{settings.port}"
    if facts.report is not None:
        link = facts.links.get("broker", {})
        bad = link.get("state") == "down" and link.get("error") != "not tried yet"
        return (
            [Bad(f"{where}: {link.get('error')}", values={"where": where})]
            if bad
            else str(link.get("state", "starting"))
        )
    if facts.broker is None:
        return None
    if settings.mode == "external":
        return (
            f"{where} answers"
            if facts.broker.reached
            else [Bad(f"{where}: {facts.broker.error}", values={"where": where})]
        )
    if settings.mode == "managed" and facts.machine.mosquitto is None:
        return [Bad("there is no mosquitto program here: install it, or set [broker] mode", "program")]
    if facts.broker.reached:
        return [Bad(f"{where} is taken by another program", "taken", {"where": where})]
    return f"{where} is free, {facts.machine.mosquitto or 'the embedded broker'} will serve it"


def _anonymous(facts: Facts) -> Sequence[Bad] | str | None:
    seen, settings = facts.broker, facts.settings.broker
    if seen is None or not seen.reached:
        return None
    where = f"{settings.host}:{settings.port}"
    if seen.anonymous and (seen.on_lan or not is_loopback(settings.host)):
        return [Bad(f"{where} lets everybody on the LAN in without a password", values={"where": where})]
    return "asks for a password" if not seen.anonymous else "everybody, from this machine only"


def _broker_plain(facts: Facts) -> Sequence[Bad] | str | None:
    settings = facts.settings.broker
    if settings.mode != "external":
        return None
    if is_loopback(settings.host) or settings.tls:
        return "TLS, or this machine only"
    return [Bad(f"{settings.host} is spoken to without TLS", values={"host": settings.host})]


def _cloud_key(facts: Facts) -> Sequence[Bad] | str | None:
    if not facts.settings.cloud.enabled:
        return None
    said = (
        str(facts.links.get("cloud", {}).get("error") or "") if facts.report else facts.rows and facts.rows.cloud_says
    )
    return [Bad(said)] if said and said.startswith(KEY_REFUSED) else "nothing said against it"


def _cloud_keys(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.rows is None or not facts.settings.cloud.enabled:
        return None
    count = facts.rows.keys_expiring
    return [Bad(f"{count} learnt from the cloud end soon", values={"count": count})] if count else "verified of late"


def _cloud_functions(facts: Facts) -> Sequence[Bad] | str | None:
    verdicts = facts.links.get("cloud", {}).get("probes")
    if not verdicts:
        return None
    return [
        Bad(f"{name}: {one.get('why') or one['is']}", name, {"function": name, "why": one.get("why") or one["is"]})
        for name, one in sorted(verdicts.items())
        if one.get("is") in ("down", "bare")
    ] or "all answer"


def _behind(facts: Facts) -> Sequence[Bad] | str | None:
    """The uplink; other ways out when the journal will soon be trimmed in front of them."""
    if facts.report is None:
        return None
    half_s = facts.settings.retention.journal_days * _DAY_S / 2
    found = []
    for name, link in facts.links.items():
        oldest_s = float(link.get("oldest_s") or 0)
        if oldest_s > (BEHIND_MAX_S if name == "cloud" else half_s):
            values = {"hours": round(oldest_s / 3600), "pending": link.get("pending", 0)}
            found.append(Bad(f"{name}: {values['pending']} wait, the oldest for {values['hours']} h", name, values))
    return found or "nothing waits for long"


def _given_up(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.report is None:
        return None
    found = []
    for name, link in facts.links.items():
        letters = int(link.get("dead_letters") or 0)
        if name.startswith(_WAYS) and letters:
            found.append(Bad(f"{name}: {letters} were given up and wait for a decision", name, {"count": letters}))
        elif name.startswith(_WAYS) and link["state"] == "down" and float(link.get("oldest_s") or 0) > GIVEN_UP_S:
            found.append(Bad(f"{name}: {link['error']}", name, {"error": link["error"]}))
    return found or "none"


def _plugins(facts: Facts) -> Sequence[Bad] | str | None:
    if facts.report is None:
        return None
    named = {name.removeprefix(_PLUGINS): link for name, link in facts.links.items() if name.startswith(_PLUGINS)}
    return [
        Bad(f"{name}: {link['error']}", name, {"name": name, "error": link["error"]})
        for name, link in named.items()
        if link["state"] == "down" and link["error"] != "not tried yet"
    ] or (f"{len(named)} on" if named else "none is on")


CHECKS = (
    Check(
        "plain_lan",
        "HTTP on the LAN",
        WARNING,
        "[http] allow_plain_lan is true.",
        "Whoever listens on the network reads API keys and may use them.",
        (
            '`eryxon-gateway tls init`, then set host = "127.0.0.1" and restart.',
            "Inside a container network it may stay: ignore it.",
        ),
        _plain_lan,
    ),
    Check(
        "certificate",
        "certificates",
        WARNING,
        "A certificate lasts 825 days, and one that somebody else signed as long as he said.",
        "After its end browsers, stations and devices refuse to connect.",
        (
            "`eryxon-gateway tls renew`, then restart.",
            "For a certificate of your own: put the new one into place and restart.",
        ),
        _certificates,
    ),
    Check(
        "broker",
        "broker",
        ERROR,
        "It is not running, its address is another program's, or the password is not accepted.",
        "Machines are not heard and see nothing; bookings in the browser and over REST go on.",
        (
            "The line above says what fails; see [broker] in the settings.",
            "Debian's own Mosquitto: `systemctl disable --now mosquitto`.",
        ),
        _broker,
    ),
    Check(
        "broker_anonymous",
        "broker's door",
        ERROR,
        "The broker takes clients without a password and listens on the LAN.",
        "Anybody in the network can read production data and send counters and commands.",
        (
            "Set `allow_anonymous false` and a password file there.",
            'Or set [broker] mode = "managed": ours lets nobody in unnamed.',
        ),
        _anonymous,
    ),
    Check(
        "broker_plain",
        "broker's line",
        WARNING,
        "[broker] tls is false for a broker on another machine.",
        "Its password and all that is said travel in the clear.",
        ("Set tls = true, and ca to the broker's authority.",),
        _broker_plain,
    ),
    Check(
        "cloud_key",
        "cloud's key",
        ERROR,
        "The key was revoked, or belongs to another company.",
        "Nothing goes up and nothing comes down; it is kept here and sent later.",
        ("Make a new key in the cloud, set [cloud] api_key, restart.",),
        _cloud_key,
    ),
    Check(
        "cloud_keys",
        "keys learnt from the cloud",
        WARNING,
        "The cloud has not been asked about them for long: it is away, or they were not used.",
        "Clients with these keys will be refused.",
        ("Bring the line to the cloud back.", "Or make keys here: `eryxon-gateway keys create`."),
        _cloud_keys,
    ),
    Check(
        "cloud_function",
        "cloud's functions",
        WARNING,
        "This function of the cloud does not load, or its database lacks columns.",
        "What needs it waits; all else goes on.",
        ("Tell who runs the cloud which function it is; it is asked again by itself.",),
        _cloud_functions,
    ),
    Check(
        "behind",
        "backlog",
        WARNING,
        "The other side has been away for long, or takes less than happens here.",
        "The office does not see the work; behind [retention] journal_days other ways out than the cloud lose the rest.",
        ("`eryxon-gateway status` shows state and error of the link.",),
        _behind,
    ),
    Check(
        "way_out",
        "webhooks and publishers",
        WARNING,
        "The address has not answered for long, or refuses what is sent.",
        "Whoever listens there misses events.",
        ("Mend the address, then `eryxon-gateway queue retry --reader ...`.", "Or switch it off, or `queue discard`."),
        _given_up,
    ),
    Check(
        "plugin_down",
        "plugins",
        WARNING,
        "It cannot reach its machine or service, or failed too often and was given up.",
        "What it does is not done; nothing else is touched.",
        ("The line above says why.", "Once that is mended: `eryxon-gateway plugins restart` with its name."),
        _plugins,
        Fix("Begin it anew", "plugins.restart", ("name",)),
    ),
)
