"""A subscription is its session's: asyncua alone lets everybody change, delete and take it, and repeats what is not there."""

import pytest
from asyncua import ua
from hall import LASER
from waiting import until

from plugins.opcua_mirror import sessions

pytestmark = pytest.mark.asyncio(loop_scope="module")
ERRORS = ua.uaerrors
UNKNOWN = ua.StatusCodes.BadSubscriptionIdInvalid
NAME = f"cell/{LASER}/Name"


class Ear:
    def __init__(self) -> None:
        self.heard: list = []

    def datachange_notification(self, _node, value, _data):
        self.heard.append(value)


def watched(node) -> ua.MonitoredItemCreateRequest:
    item = ua.ReadValueId(NodeId=node.nodeid, AttributeId=ua.AttributeIds.Value)
    return ua.MonitoredItemCreateRequest(ItemToMonitor=item, MonitoringMode=ua.MonitoringMode.Reporting)


async def test_another_session_cannot_touch_it(floor):
    ear = Ear()
    async with floor.session("olga") as olga, floor.session("vera") as vera:
        theirs = await olga.client.create_subscription(50, ear)
        item = await theirs.subscribe_data_change(olga.node(NAME))
        await until(lambda: ear.heard == ["Laser"], "the first value")
        number, hers = theirs.subscription_id, vera.client.uaclient.session
        own = await vera.client.create_subscription(50, Ear())
        both = [number, own.subscription_id]
        moved = await hers.transfer_subscriptions(
            ua.TransferSubscriptionsParameters(SubscriptionIds=both, SendInitialValues=True)
        )
        assert [one.StatusCode.value for one in moved] == [UNKNOWN, 0]
        mode = ua.SetPublishingModeParameters(PublishingEnabled=False, SubscriptionIds=both)
        assert [one.value for one in await hers.set_publishing_mode(mode)] == [UNKNOWN, 0]
        for request in (
            hers.create_monitored_items(
                ua.CreateMonitoredItemsParameters(SubscriptionId=number, ItemsToCreate=[watched(vera.node(NAME))])
            ),
            hers.delete_monitored_items(
                ua.DeleteMonitoredItemsParameters(SubscriptionId=number, MonitoredItemIds=[item])
            ),
            hers.set_monitoring_mode(
                ua.SetMonitoringModeParameters(
                    SubscriptionId=number, MonitoringMode=ua.MonitoringMode.Disabled, MonitoredItemIds=[item]
                )
            ),
            hers.modify_subscription(ua.ModifySubscriptionParameters(SubscriptionId=number)),
            hers.republish(number, 1),
        ):
            with pytest.raises(ERRORS.BadSubscriptionIdInvalid):
                await request
        assert [one.value for one in await hers.delete_subscriptions(both)] == [UNKNOWN, 0]
        cell = f"/api-cells?id={LASER}"
        await floor.ask("PATCH", cell, {"name": "Laser 2"})
        await until(lambda: ear.heard == ["Laser", "Laser 2"], "the subscription is as it was")
        await floor.ask("PATCH", cell, {"name": "Laser"})


async def test_a_message_that_is_gone_is_not_repeated(floor):
    """With an empty answer asyncua's client would ask for the next one for ever when it comes back."""
    async with floor.session("vera") as vera:
        subscription = await vera.client.create_subscription(50, Ear())
        with pytest.raises(ERRORS.BadMessageNotAvailable):
            await vera.client.uaclient.session.republish(subscription.subscription_id, 4711)


@pytest.mark.parametrize("wished", [0, 0.001, -5, float("nan"), 1e300])
async def test_nobody_is_served_without_a_pause(floor, wished):
    async with floor.session("vera") as vera:
        asked = ua.CreateSubscriptionParameters(RequestedPublishingInterval=wished, PublishingEnabled=True)
        made = await vera.client.uaclient.create_subscription(asked, lambda _: None)
        assert sessions.PUBLISH_MIN_MS <= made.RevisedPublishingInterval <= sessions.PUBLISH_MAX_MS


async def test_nobody_watches_more_than_there_is(floor, monkeypatch):
    monkeypatch.setattr(sessions, "MONITORED_MAX", 2)
    async with floor.session("vera") as vera:
        one, other = [await vera.client.create_subscription(50, Ear()) for _ in range(2)]
        await one.subscribe_data_change([vera.node(NAME), vera.node(NAME)])
        with pytest.raises(ERRORS.BadTooManyMonitoredItems):
            await other.subscribe_data_change(vera.node(NAME))
