"""What a field is like, in the words of the API ("Field" in DescribeSObjectResult)."""

from __future__ import annotations

from typing import Any

from infra.local.salesforce.metadata import Field, SObject

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
    "anyType": "xsd:anyType",
}

_NOT_AGGREGATED = frozenset({"boolean", "base64", "address", "anyType"})

#: What is the same of every field here.
_NEVER = {
    "aiPredictionField": False,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "extraTypeInfo": None,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "queryByDistance": False,
    "referenceTargetField": None,
    "restrictedDelete": False,
    "searchPrefilterable": False,
    "writeRequiresMasterRead": False,
}


def describe_field(sobject: SObject, field: Field) -> dict[str, Any]:
    """One field of an object."""
    return {**_NEVER, **_nature(field), **_uses(sobject, field), **_relations(field)}


def _nature(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "length": field.length,
        "byteLength": field.length * 3,
        "precision": field.precision,
        "scale": field.scale,
        "digits": 9 if field.type == "int" else 0,
        "custom": field.custom,
        "calculated": field.calculated,
        "calculatedFormula": field.formula if field.calculated else None,
        "autoNumber": field.auto_number is not None,
        "defaultValue": field.default,
        "compoundFieldName": field.compound,
        "picklistValues": [_choice(field, value) for value in field.values],
        "restrictedPicklist": field.restricted,
    }


def _uses(sobject: SObject, field: Field) -> dict[str, Any]:
    return {
        "nillable": field.nillable,
        "createable": field.createable,
        "updateable": field.updateable,
        "defaultedOnCreate": field.default is not None or not (field.createable or field.nillable),
        "permissionable": field.nillable and field.type not in {"id", "boolean"},
        "filterable": field.filterable,
        "sortable": field.sortable,
        "groupable": field.groupable,
        "aggregatable": field.filterable and field.type not in _NOT_AGGREGATED,
        "unique": field.unique,
        "externalId": field.external_id,
        "idLookup": field.external_id or field.type == "id",
        "caseSensitive": field.case_sensitive,
        "nameField": field.name == name_field(sobject),
    }


def _relations(field: Field) -> dict[str, Any]:
    several = len(field.reference_to) > 1
    return {
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship,
        "relationshipOrder": 0 if field.cascade and not field.nillable else None,
        "cascadeDelete": field.cascade,
        "namePointing": several,
        "polymorphicForeignKey": several,
    }


def name_field(sobject: SObject) -> str | None:
    """The field that people know a record by."""
    candidates = ("Name", "Subject", "CaseNumber", "LineItemNumber", "MasterLabel")
    return next((name for name in candidates if sobject.find(name)), None)


def _choice(field: Field, value: str) -> dict[str, Any]:
    return {
        "active": True,
        "defaultValue": value == field.default,
        "label": value,
        "validFor": None,
        "value": value,
    }
