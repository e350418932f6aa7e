"""A Salesforce org of one's own: an HTTP server that behaves as Salesforce's documented APIs do, for trials and tests.

Everything here is in the sandbox's own words and knows nothing of what is synced from it.
"""
