"""What Loupe answers under load, asked over HTTP, and where others stand who serve the same file."""

import os

# Before anything imports ONNX Runtime: else it leaves a device id in the home folder and looks up its makers' host.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
