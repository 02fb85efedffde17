"""What machines tell, whatever the way: states, counters, finished cycles, badges, requests. MQTT is one way in among others."""
