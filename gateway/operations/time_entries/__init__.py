"""Time entries: who worked on an operation, from when to when, with which pauses. Endpoints of their own, and the lifecycle's."""
