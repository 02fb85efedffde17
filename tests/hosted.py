"""A gateway with plugins."""

from gateway.settings import Settings

ON = {"enabled": True}


def settings(folder, plugins_dir=None, **sections) -> Settings:
    own = {"data_dir": folder} | ({"plugins_dir": plugins_dir} if plugins_dir else {})
    given = {"gateway": own, "http": {"port": 0}, "broker": {"mode": "off"}, "plugins": sections}
    return Settings.model_validate(given)


def links(gateway) -> dict:
    return {link.name: link for link in gateway.health if link.name.startswith("plugin:")}
