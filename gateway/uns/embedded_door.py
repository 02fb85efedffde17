"""The door as amqtt asks for it: its plugins, imported by it by name."""

from dataclasses import dataclass
from typing import Any

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from gateway.uns.rights import Rights
from gateway.uns.topics import matches


@dataclass
class _Config:
    door: Any  # a Door: the library copies what it has a type for


class Passwords(BaseAuthPlugin):  # type: ignore[misc,unused-ignore] # the library has no types
    Config = _Config

    async def authenticate(self, *, session: Session) -> bool:
        """Nobody is asked again when a will is published: who may not write there does not get in with it."""
        door, user = self.config.door, session.username
        if not (user and session.password and door.lets_in(user, session.password)):
            return False
        return not session.will_flag or _may(door.rights().get(user), session.will_topic, Action.PUBLISH)


class Permissions(BaseTopicPlugin):  # type: ignore[misc,unused-ignore] # the library has no types
    Config = _Config

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Asked before a publish, a subscription, and for each message to each subscriber."""
        return session is not None and _may(self.config.door.rights().get(session.username), topic, action)


def _may(rights: Rights | None, topic: str | None, action: Action | None) -> bool:
    if rights is None or not topic:
        return False
    return any(matches(topic, one) for one in (rights.write if action == Action.PUBLISH else rights.read))
