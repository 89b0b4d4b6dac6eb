"""Settings: what an operator decides, and what the machine allows."""

from serving.settings.settings import PREFIX, Device, Settings

__all__ = ["PREFIX", "Device", "Settings"]
