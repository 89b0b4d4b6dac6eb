"""Cores: how many of the machine's this process may keep busy, by its affinity and by its control groups' quotas."""

import os
from math import ceil
from pathlib import Path

from serving.settings.control_groups import MOUNT, OWN, groups, read
from serving.settings.settings import Settings


def usable_cores(mount: Path = MOUNT, own: Path = OWN) -> int:
    """The cores of the process's affinity, or its share of their time if that is less: 1.5 cores' time counts as 2.

    A container with two CPUs' time sees all of the machine's cores; threads on each of them would use that time up
    early in every period, and then stand still together. Python's ``process_cpu_count`` does not look at quotas.

    Args:
        mount: where the control groups are, of either version.
        own: the file that names those of the process, one line each: ``number:controllers:path``.
    """
    quotas = [quota for group in groups("cpu", mount, own) if (quota := _quota(group)) is not None]
    return min([len(os.sched_getaffinity(0)), *(max(1, ceil(quota)) for quota in quotas)])


def threads(settings: Settings) -> int:
    """How many threads decode, and on the CPU work for each model."""
    return settings.threads or usable_cores()


def _quota(group: Path) -> float | None:
    """In cores. Version 2 has both numbers in one file, and ``max`` for no quota; version 1 two files, and -1."""
    both = read(group / "cpu.max") or f"{read(group / 'cpu.cfs_quota_us')} {read(group / 'cpu.cfs_period_us')}"
    quota_us, _, period_us = both.partition(" ")
    return int(quota_us) / int(period_us) if quota_us.strip().isdecimal() else None
