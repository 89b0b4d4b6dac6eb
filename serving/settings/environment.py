"""Environment: which variables are settings, and which only look like some."""

import os
from difflib import get_close_matches

from models.errors import SettingsError
from serving.settings.platforms import is_service_link

PREFIX = "LOUPE_"


def passed_over() -> list[str]:
    """Variables that look like settings, and are Kubernetes' for the Services of the namespace."""
    ours = {name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    links = [name for name, value in ours.items() if is_service_link(name, value)]
    return sorted(PREFIX + name for name in links)


def refuse_unknown_variables(known: set[str]) -> None:
    """So that a misspelt one is not overlooked.

    Raises:
        SettingsError: a ``LOUPE_…`` variable is none of these, and nothing that Kubernetes injects.
    """
    links = passed_over()
    for variable in os.environ:
        name = variable.removeprefix(PREFIX)
        if name != variable and name.lower() not in known and variable not in links:
            settings = [PREFIX + setting.upper() for setting in sorted(known)]
            meant = get_close_matches(name.lower()[:100], known, 1, 0.6)
            there_are = f"did you mean {PREFIX}{meant[0].upper()}? There are" if meant else "there are"
            raise SettingsError(f"{variable} is not a setting; {there_are}: {', '.join(settings)}")
