"""Service: the one entry that every protocol, the command line and whatever comes beside them use."""

from serving.service.service import PredictionService

__all__ = ["PredictionService"]
