"""The runtime: receive → claim → perform → settle, with heartbeats, time limits and a drain. One process, one type."""
