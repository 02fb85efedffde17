"""Edge gateway for the factory floor."""

__version__ = "0.1.0"
