"""Settings: what an operator decides, and what the machine allows."""

from serving.settings.device import Device, DeviceName
from serving.settings.environment import PREFIX
from serving.settings.settings import Settings, listed

__all__ = ["PREFIX", "Device", "DeviceName", "Settings", "listed"]
