"""Finds the plugins, checks their settings, gives them their ports, supervises them. What they may touch: `plugin_api`."""
