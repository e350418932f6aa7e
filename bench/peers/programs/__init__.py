"""One program for each peer, run by the peers' own interpreter: nothing here imports Retinue or its libraries."""
