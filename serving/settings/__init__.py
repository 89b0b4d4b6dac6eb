"""Settings: what an operator decides, and what the machine allows."""

from serving.settings.device import Device, DeviceName
from serving.settings.settings import PREFIX, Settings

__all__ = ["PREFIX", "Device", "DeviceName", "Settings"]
