"""The service: loads published models with ONNX Runtime and answers over HTTP and on the command line."""

from models.telemetry import stop_telemetry

stop_telemetry()
