"""The door as amqtt asks for it: its plugins, imported by it by name."""

from dataclasses import dataclass
from typing import Any

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from gateway.uns.topics import matches


@dataclass
class _Config:
    door: Any  # a Door: the library copies what it has a type for


class Passwords(BaseAuthPlugin):  # type: ignore[misc,unused-ignore] # the library has no types
    Config = _Config

    async def authenticate(self, *, session: Session) -> bool:
        return bool(
            session.username and session.password and self.config.door.lets_in(session.username, session.password)
        )


class Permissions(BaseTopicPlugin):  # type: ignore[misc,unused-ignore] # the library has no types
    Config = _Config

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Asked before a publish, a subscription, and for each message to each subscriber."""
        rights = self.config.door.rights().get(session.username) if session is not None else None
        if rights is None or not topic:
            return False
        return any(matches(topic, one) for one in (rights.write if action == Action.PUBLISH else rights.read))
