"""Open pages that change by themselves: a page names its regions, and the hub sends each as it changes."""

from manager.live.blueprint import live_blueprint
from manager.live.hub import LiveHub
from manager.live.regions import Region

__all__ = ["LiveHub", "Region", "live_blueprint"]
