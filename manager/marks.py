"""The shape and the tone of every state that pages show, so that no state is told by its colour alone."""

from __future__ import annotations

#: State → (icon, tone). The tones: work (goes on), good, warn (look at it), bad, and none for what is of no concern.
MARKS: dict[str, tuple[str, str]] = {
    # jobs
    "pending": ("circle-dashed", ""),
    "queued": ("circle-dot-dashed", ""),
    "running": ("circle-play", "work"),
    "completed": ("circle-check", "good"),
    "failed": ("circle-x", "bad"),
    "cancelled": ("ban", ""),
    # processes
    "fresh": ("circle-dot", "good"),
    "up": ("circle-dot", "good"),
    "late": ("triangle-alert", "warn"),
    "lost": ("octagon-x", "bad"),
    "gone": ("octagon-x", "bad"),
    "silent": ("triangle-alert", "warn"),
    "draining": ("circle-pause", "warn"),
    "resting": ("circle-pause", ""),
    "stopped": ("power", ""),
    # rules, lanes, connections
    "active": ("circle-dot", "good"),
    "paused": ("circle-pause", "warn"),
    "held": ("hourglass", "warn"),
    "full": ("circle-dot-dashed", "work"),
    "ready": ("circle-dot", "work"),
    "waiting": ("clock", ""),
    "idle": ("circle-dashed", ""),
    "broken": ("octagon-x", "bad"),
    "trial": ("circle-dashed", "work"),
    "disabled": ("ban", ""),
    "expired": ("hourglass", ""),
    "revoked": ("ban", ""),
    # what is wrong
    "closed": ("circle-check", "good"),
    "half_open": ("circle-dot-dashed", "warn"),
    "open": ("siren", "bad"),
    "anomaly": ("circle-help", "warn"),
    "resolved": ("circle-check", "good"),
    "muted": ("bell-off", ""),
}

_OTHER = ("circle-dot", "")


def mark_of(state: str) -> tuple[str, str]:
    """The icon and the tone of a state."""
    return MARKS.get(state, _OTHER)
