"""What Loupe answers under load, asked over HTTP, and where others stand who serve the same file."""

from models.telemetry import stop_telemetry

stop_telemetry()
