"""Photos → Keras networks → measured, published ONNX files."""

from models.telemetry import stop_telemetry

stop_telemetry()
