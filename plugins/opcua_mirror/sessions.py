"""A session, and what of asyncua's belongs to it.

What it lacks (2.1.0), and what is done about it here:
* A subscription is nobody's: who names the number of another session's may change, delete or take it. Numbers begin at 78 in each
  run, so clients who come back after a restart take each other's: here they begin anywhere, and each session has its own.
* To send a message again that is not there any more is answered with an empty one: who asks until there is none, as asyncua's own
  client, asks for ever.
* It publishes as often as a client wishes, also without a pause, and watches as many values as it wishes.
* A login by certificate hides the certificate of the channel.
"""

from collections.abc import Callable, Container, Iterable
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession

PUBLISH_MIN_MS, PUBLISH_MAX_MS = 50.0, 600_000.0
MONITORED_MAX = 20_000  # values that one session watches: a hall of 100 cells has half as many
_UNKNOWN = ua.StatusCodes.BadSubscriptionIdInvalid


class Gate(Protocol):
    """`address`: whose login is being looked at; set right before, nothing comes between."""

    address: str

    def channel(self, certificate: bytes | None) -> None: ...


class Signed(bytes):
    """The certificate of a person who has just shown that the key is his."""


class Session(InternalSession):  # type: ignore[misc] # untyped, see pyproject.toml
    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        gate: Gate = self.iserver.door
        gate.channel(peer_certificate)
        if isinstance(params.UserIdentityToken, ua.X509IdentityToken) and not peer_certificate:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)  # only over an encrypted channel, as passwords
        gate.address = str(self.name[0]) if isinstance(self.name, tuple) else ""
        return super().activate_session(params, peer_certificate)

    # ------------------------------------------------------------------ its subscriptions, and no others

    @property
    def _own(self) -> dict[int, Any]:
        every = self.subscription_service.subscriptions
        return {number: one for number, one in every.items() if one.session_id == self.session_id}

    def _must_own(self, number: int) -> None:
        if number not in self._own:
            raise ServiceError(_UNKNOWN)

    async def create_subscription(self, params: ua.CreateSubscriptionParameters, *callbacks: Any, **more: Any) -> Any:
        wished = params.RequestedPublishingInterval
        params.RequestedPublishingInterval = min(wished, PUBLISH_MAX_MS) if wished >= PUBLISH_MIN_MS else PUBLISH_MIN_MS
        return await super().create_subscription(params, *callbacks, **more)

    def modify_subscription(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        self._must_own(params.SubscriptionId)
        return super().modify_subscription(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        own = self._own
        results = await super().delete_subscriptions([one for one in ids if one in own])
        return _each(ids, own, results)

    async def transfer_subscriptions(
        self, params: ua.TransferSubscriptionsParameters, callback: Any
    ) -> list[ua.TransferResult]:
        wished, own = params.SubscriptionIds, self._own
        params.SubscriptionIds = [one for one in wished if one in own]
        results = await super().transfer_subscriptions(params, callback)
        return _each(wished, own, results, lambda: ua.TransferResult(StatusCode=ua.StatusCode(_UNKNOWN)))

    async def set_publishing_mode(self, params: ua.SetPublishingModeParameters) -> list[ua.StatusCode]:
        wished, own = params.SubscriptionIds, self._own
        params.SubscriptionIds = [one for one in wished if one in own]
        results = await super().set_publishing_mode(params)
        return _each(wished, own, results)

    def publish(self, acks: Iterable[ua.SubscriptionAcknowledgement] | None = None) -> tuple[int, list[ua.StatusCode]]:
        own, told = self._own, [*(acks or ())]
        if not own:
            raise ServiceError(ua.StatusCodes.BadNoSubscription)
        _, results = super().publish([one for one in told if one.SubscriptionId in own])
        return len(own), _each([one.SubscriptionId for one in told], own, results)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        self._must_own(params.SubscriptionId)
        found = super().republish(params)
        if not found.NotificationData:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return found

    # ------------------------------------------------------------------ what is watched

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        self._must_own(params.SubscriptionId)
        watched = sum(len(one.monitored_item_srv._monitored_items) for one in self._own.values())  # noqa: SLF001 -- nobody else counts them
        if watched + len(params.ItemsToCreate) > MONITORED_MAX:
            raise ServiceError(ua.StatusCodes.BadTooManyMonitoredItems)
        results: list[ua.MonitoredItemCreateResult] = await super().create_monitored_items(params)
        return results

    async def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        self._must_own(params.SubscriptionId)
        results: list[ua.MonitoredItemModifyResult] = await super().modify_monitored_items(params)
        return results

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        self._must_own(params.SubscriptionId)
        results: list[ua.StatusCode] = await super().delete_monitored_items(params)
        return results

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        self._must_own(params.SubscriptionId)
        results: list[ua.StatusCode] = await super().set_monitoring_mode(params)
        return results


def _unknown() -> ua.StatusCode:
    return ua.StatusCode(_UNKNOWN)


def _each(
    numbers: Iterable[int], own: Container[int], results: Iterable[Any], unknown: Callable[[], Any] = _unknown
) -> list[Any]:
    """`results`: of those of the numbers that are its own, in their order."""
    found = iter(results)
    return [next(found) if number in own else unknown() for number in numbers]
