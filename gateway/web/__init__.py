"""HTTP manners: routes, keys, envelopes, errors. Knows nothing about work."""
