"""Reading metrics as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.request import urlopen

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


def scrape(port: int) -> dict[str, Metric]:
    """What is served on this machine's port, by the family's name."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return families(answer.read().decode())


def families(text: str) -> dict[str, Metric]:
    """The families in one answer."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def names(found: Iterable[Metric]) -> dict[str, str]:
    """Retinue's own metrics with their type, by the name that a query uses."""
    own = [family for family in found if family.name.startswith("retinue_")]
    return {f"{family.name}_total" if family.type == "counter" else family.name: family.type for family in own}


def value(family: Metric, *, sample: str | None = None, **labels: str) -> float:
    """The one sample that has these labels, whatever others it has."""
    wanted = sample or family.samples[0].name
    found = [each.value for each in family.samples if each.name == wanted and labels.items() <= each.labels.items()]
    assert len(found) == 1, f"{family.name} has {len(found)} samples {wanted} with {labels}: {family.samples}"
    return float(found[0])
