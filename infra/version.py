"""The version of Retinue that runs."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("retinue")
