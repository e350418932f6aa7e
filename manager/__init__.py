"""The manager: shows operators what Retinue does."""
