"""An org of Salesforce over its REST API and Bulk API 2.0, for reading.

sign_in        as whom and where, from a connection's settings
auth           access tokens: one refresher, nothing used before it is stored
token_request  one request for tokens; `grant_faults` says why there are none
web_flow       the sign-in by a browser
http           requests: signed in, counted, learned from, tried again
refusals       from what Salesforce answers to errors with sentences: `meanings` by its codes, `errors` their classes
rest           describe, query, what changed, what is left
bulk           query jobs and their results, streamed; `csv_rows` and `body` are its reading
values         what is handed out; `reading` makes it of JSON
session        from a connection to a client
"""

from servants.salesforce.client.session import Salesforce, open_client

__all__ = ["Salesforce", "open_client"]
