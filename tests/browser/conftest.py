"""Every test here may have a browser before a manager."""

from tests.support.browser import browser, complaints, contexts, no_script_page, page, signed_in, site

__all__ = ["browser", "complaints", "contexts", "no_script_page", "page", "signed_in", "site"]
