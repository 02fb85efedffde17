"""The side that a hub offers to other gateways: what can be done here, what has changed, everything as it stands."""
