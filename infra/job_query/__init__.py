"""The language in which people ask for jobs: `type:salesforce.sync state:failed account:acme error:~timeout`.

A term is a field, a colon and a value. `field:a,b` takes either; `-field:a` takes all others; `field:~text` takes what
contains the text; `field:>3` compares. A value with blanks or commas stands in double quotes. A number alone is a job's
ID, and a word alone is looked for in errors.
"""

from infra.job_query.edit import quoted, replaced, without
from infra.job_query.errors import QueryError
from infra.job_query.parse import parse_query
from infra.job_query.query import JobQuery, Span
from infra.job_query.terms import Term, read_terms

__all__ = ["JobQuery", "QueryError", "Span", "Term", "parse_query", "quoted", "read_terms", "replaced", "without"]
