"""Readiness: why no new callers should come."""

from collections.abc import Mapping

from serving.versions.served_model import ServedModel


def hung(models: Mapping[str, ServedModel], longest_s: float) -> str | None:
    """A sentence about a session that does not come back, as a driver or a graph may do; None: there is none.

    Args:
        models: what is served.
        longest_s: seconds after which nobody waits for a batch any more.
    """
    for model in models.values():
        for version, classifier in model.versions.items():
            if (running_s := classifier.running_s) > longest_s:
                return (
                    f"{model.name} version {version} has been at one batch for {running_s:.0f} s; only a restart helps"
                )
    return None
