"""The systems that Retinue is measured beside, each in an environment of its own."""
