"""What is sold: opportunities, their two histories, products."""

from __future__ import annotations

from dataclasses import dataclass

from infra.local.salesforce.metadata import SObject, new_field, new_object, system_fields
from infra.local.salesforce.standard_parts import READ_ONLY, SOURCES, refers_to

_UNWRITABLE = {"createable": False, "updateable": False, "deletable": True, "undeletable": False}


@dataclass(frozen=True)
class Stage:
    """A stage of selling, and what an opportunity in it is worth in forecasts. The probability is in percent."""

    name: str
    probability: int
    forecast: str
    closed: bool = False
    won: bool = False


STAGES = (
    Stage("Prospecting", 10, "Pipeline"),
    Stage("Qualification", 10, "Pipeline"),
    Stage("Needs Analysis", 20, "Pipeline"),
    Stage("Value Proposition", 50, "Pipeline"),
    Stage("Id. Decision Makers", 60, "Pipeline"),
    Stage("Perception Analysis", 70, "Pipeline"),
    Stage("Proposal/Price Quote", 75, "Best Case"),
    Stage("Negotiation/Review", 90, "Commit"),
    Stage("Closed Won", 100, "Closed", closed=True, won=True),
    Stage("Closed Lost", 0, "Omitted", closed=True),
)

#: The forecast categories' API values by their labels.
FORECASTS = {
    "Pipeline": "Pipeline",
    "Best Case": "BestCase",
    "Commit": "Forecast",
    "Closed": "Closed",
    "Omitted": "Omitted",
}

_STAGE_NAMES = tuple(stage.name for stage in STAGES)

_OPPORTUNITY = new_object(
    "Opportunity",
    (
        refers_to("AccountId", "Account", "Opportunities", cascade=True),
        new_field("IsPrivate", "boolean"),
        new_field("Name", "string", length=120, nillable=False),
        new_field("Description", "textarea"),
        new_field("StageName", "picklist", nillable=False, values=_STAGE_NAMES),
        new_field("Amount", "currency"),
        new_field("Probability", "percent", precision=3, scale=0),
        new_field("ExpectedRevenue", "currency", **READ_ONLY),
        new_field("TotalOpportunityQuantity", "double", scale=2),
        new_field("CloseDate", "date", nillable=False),
        new_field("Type", "picklist", values=("Existing Customer - Upgrade", "New Customer", "Renewal")),
        new_field("NextStep", "string"),
        new_field("LeadSource", "picklist", values=SOURCES),
        new_field("IsClosed", "boolean", **READ_ONLY),
        new_field("IsWon", "boolean", **READ_ONLY),
        new_field("ForecastCategory", "picklist", length=40, values=tuple(FORECASTS.values()), **READ_ONLY),
        new_field("ForecastCategoryName", "picklist", length=40, values=tuple(FORECASTS)),
        refers_to("CampaignId", "Campaign", "Opportunities"),
        refers_to("ContactId", "Contact", updateable=False),
        new_field("HasOpportunityLineItem", "boolean", **READ_ONLY),
        new_field("LastActivityDate", "date", **READ_ONLY),
    ),
    prefix="006",
    plural="Opportunities",
    tracked=("StageName", "Amount", "CloseDate", "Probability", "OwnerId", "Name"),
)

_CREATED = tuple(one for one in system_fields() if one.name not in {"LastModifiedDate", "LastModifiedById"})

_HISTORY = new_object(
    "OpportunityHistory",
    (
        refers_to("OpportunityId", "Opportunity", "OpportunityHistories", cascade=True, nillable=False),
        new_field("StageName", "picklist", nillable=False, values=_STAGE_NAMES),
        new_field("Amount", "currency"),
        new_field("ExpectedRevenue", "currency"),
        new_field("CloseDate", "date"),
        new_field("Probability", "percent", precision=3, scale=0),
        new_field("ForecastCategory", "picklist", length=40),
        new_field("PrevAmount", "currency"),
        new_field("PrevCloseDate", "date"),
    ),
    prefix="008",
    plural="Opportunity Histories",
    system=_CREATED,
    **_UNWRITABLE | {"deletable": False},
)

#: It has no SystemModstamp, and its values are of any type; so it is with every object of field history.
_FIELD_HISTORY = new_object(
    "OpportunityFieldHistory",
    (
        refers_to("OpportunityId", "Opportunity", "Histories", cascade=True, nillable=False),
        new_field("Field", "picklist", nillable=False),
        new_field("DataType", "picklist"),
        new_field("OldValue", "anyType", filterable=False, sortable=False, groupable=False),
        new_field("NewValue", "anyType", filterable=False, sortable=False, groupable=False),
    ),
    prefix="017",
    plural="Opportunity Field History",
    system=tuple(one for one in _CREATED if one.name != "SystemModstamp"),
    replicateable=False,
    **_UNWRITABLE,
)

_PRODUCT = new_object(
    "Product2",
    (
        new_field("Name", "string", nillable=False),
        new_field("ProductCode", "string"),
        new_field("Description", "textarea"),
        new_field("IsActive", "boolean"),
        new_field("Family", "picklist", values=("None", "Hardware", "Services")),
        new_field("StockKeepingUnit", "string", length=180),
    ),
    prefix="01t",
    label="Product",
    plural="Products",
    system=system_fields(),
)

_LINE_ITEM = new_object(
    "OpportunityLineItem",
    (
        refers_to(
            "OpportunityId", "Opportunity", "OpportunityLineItems", cascade=True, nillable=False, updateable=False
        ),
        refers_to("Product2Id", "Product2", "OpportunityLineItems"),
        new_field("Name", "string", length=376),
        new_field("Quantity", "double", scale=2, nillable=False),
        new_field("UnitPrice", "currency", nillable=False),
        new_field("TotalPrice", "currency", formula="Quantity * UnitPrice", shown_as_calculated=False),
        new_field("ServiceDate", "date"),
        new_field("Description", "string"),
    ),
    prefix="00k",
    label="Opportunity Product",
    plural="Opportunity Products",
)

SALES: tuple[SObject, ...] = (_OPPORTUNITY, _HISTORY, _FIELD_HISTORY, _PRODUCT, _LINE_ITEM)
