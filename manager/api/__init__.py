"""The JSON API: what the pages show and do, for programs. `manager.api.blueprint` puts it together."""
