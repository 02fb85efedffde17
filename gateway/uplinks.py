"""The link to the cloud that the settings ask for: the cloud itself, or a gateway above this one."""

import random
from functools import partial

from gateway import identity
from gateway.api import blobs
from gateway.cloud.link import CloudLink, CloudSettings
from gateway.cloud.session import ServiceUser
from gateway.identity import Identity
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Health
from gateway.kernel.ids import NewId
from gateway.settings import Cloud, Settings
from gateway.upstream.link import HubLink, HubSettings
from gateway.upstream.uplink import Own

_ASKED_WITH = ("cloud.api_key", "cloud.service_password", "cloud.anon_key")


def cloud_link(
    settings: Settings, db: Database, clock: Clock, new_id: NewId, rng: random.Random, health: Health, own: Identity
) -> CloudLink | HubLink | None:
    """None: no cloud is configured, or what it is asked with does not open here (`without`)."""
    cloud = settings.cloud
    key = cloud.api_key.get_secret_value()
    if without(settings):
        return None
    if cloud.kind == "hub":
        hub = HubSettings(cloud.url, key, cloud.cells, cloud.timeout)
        here = Own(settings.gateway.id, own.epochs, partial(_renewed, clock))
        return HubLink(hub, here, db, clock, new_id, rng, health, blobs(settings, db))
    chosen = CloudSettings(
        cloud.url,
        key,
        cloud.cells,
        cloud.pull_every,
        cloud.timeout,
        cloud.settle_after,
        cloud.requests_per_day,
        _service_user(cloud),
    )
    return CloudLink(chosen, db, clock, new_id, rng, health, blobs(settings, db))


def without(settings: Settings) -> str | None:
    """Why there is no link, None when there is one."""
    if settings.cloud.kind == "off":
        return "no cloud is configured"
    return next((f"{key} does not open: {why}" for key, why in settings.locked.items() if key in _ASKED_WITH), None)


def _service_user(cloud: Cloud) -> ServiceUser | None:
    if not cloud.service_user:
        return None
    secrets = (cloud.service_password, cloud.anon_key)
    return ServiceUser(cloud.project, cloud.service_user, *(one.get_secret_value() for one in secrets))


def _renewed(clock: Clock, tx: Tx, highest: int, unsent: int) -> int | None:
    return identity.renew(tx, highest, unsent, clock.now())
