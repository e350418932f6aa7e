"""The npm packages that browsers need: which versions, which of their files, and where those lie in this repository."""
