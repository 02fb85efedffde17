"""MQTT publishers: brokers of others that are told what happens here, each by a reader of the journal of its own."""
