"""The standard objects of a new org, as far as a sync or a common client meets them ("Object Reference").

A selection of objects and of their fields; what is here has the names, types, lengths and relationships that are
documented there.
"""

from __future__ import annotations

from infra.local.salesforce.metadata import SObject
from infra.local.salesforce.standard_activities import ACTIVITIES
from infra.local.salesforce.standard_people import PEOPLE
from infra.local.salesforce.standard_sales import SALES
from infra.local.salesforce.standard_service import SERVICE
from infra.local.salesforce.standard_setup import SETUP

STANDARD_OBJECTS: tuple[SObject, ...] = (*SETUP, *PEOPLE, *SALES, *ACTIVITIES, *SERVICE)
