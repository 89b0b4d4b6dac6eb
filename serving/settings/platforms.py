"""Platforms: what Kubernetes, Vertex AI and SageMaker put into the environment of a container by themselves.

Sources: https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables,
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_OF_SERVICE = re.compile(r"([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)")
_LINK = re.compile(r"(tcp|udp|sctp)://")
_PORTS = ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT")


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes injects a variable for a Service of the namespace, such as one named loupe-canary.

    Args:
        name: the variable's, without the prefix of ours.
        value: what it holds.
    """
    return _OF_SERVICE.fullmatch(name) is not None or (name.endswith("PORT") and _LINK.match(value) is not None)


@dataclass(frozen=True)
class Platform:
    """What the platform wants, where it is one of those that say so.

    Attributes:
        port: to listen on, unless LOUPE_PORT says another.
        health_route: Vertex AI's, besides our own and ``/ping``.
        predict_route: Vertex AI's, besides our own and ``/invocations``.
    """

    port: str | None = None
    health_route: str | None = None
    predict_route: str | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Reads the environment; empty is unset."""
        given = {name: value for name, value in environment.items() if value}
        port = next((given[name] for name in _PORTS if name in given), None)
        return cls(port, given.get("AIP_HEALTH_ROUTE"), given.get("AIP_PREDICT_ROUTE"))
