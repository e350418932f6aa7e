"""Names in the demo company's org at Salesforce."""

from __future__ import annotations

#: What the org knows Retinue as.
CLIENT_ID = "3MVG9demo.retinue"

#: Who signs in there by a browser.
PERSON = "kestrel@sandbox.example"
