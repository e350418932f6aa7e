"""The scenarios, one file each; `SCENARIOS` in bench/__main__.py is their order."""
