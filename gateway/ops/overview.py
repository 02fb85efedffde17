"""How things stand, as somebody wants to hear it who has one minute: the sentence of truth, as data. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.ops.switch import PAUSED

UP, DOWN, WEBHOOK = "cloud", "cloud-pull", "webhook:"


def overview(report: Mapping[str, Any], peak: int, repairs: int) -> dict[str, Any]:
    """`report` as `/healthz` shows it; `peak`: the most that waited since nothing did; `repairs`: found problems that nobody
    ignores.
    """
    link = report["links"].get(UP, {})
    pending = int(link.get("pending") or 0)
    return {
        "state": _state(link, pending),
        "since": link.get("since"),
        "error": link.get("error"),
        "paused": link.get(PAUSED),
        "to_send": {
            **{name: link.get(name) or 0 for name in ("pending", "parked", "sent", "accepted", "oldest_s")},
            "eta_s": link.get("drain_s"),
            "percent": None if not pending or peak < pending else round(100 * (peak - pending) / peak),
        },
        "to_receive": report["links"].get(DOWN),
        "needs_you": [one for one in _needs(report, link, repairs) if one["count"]],
        "status": report["status"],
        "problems": report.get("problems", []),
    }


def _state(link: Mapping[str, Any], pending: int) -> str:
    """`none`: no cloud is configured."""
    if link.get(PAUSED):
        return "paused"
    if link.get("state", "off") == "off":
        return "none"
    if link["state"] == "down":
        return "offline"
    if link["state"] == "degraded":
        return "degraded"
    return "sending" if pending else "current"


def _needs(report: Mapping[str, Any], link: Mapping[str, Any], repairs: int) -> list[dict[str, Any]]:
    links = report["links"]
    letters = sum(int(one.get("dead_letters") or 0) for name, one in links.items() if name.startswith(WEBHOOK))
    return [
        {"what": "parked", "count": int(link.get("parked") or 0)},
        {"what": "conflicts", "count": int(link.get("conflicts") or 0)},
        {"what": "dead_letters", "count": letters},
        {"what": "quarantined", "count": int(links.get("machines", {}).get("quarantined") or 0)},
        {"what": "repairs", "count": repairs},
    ]
