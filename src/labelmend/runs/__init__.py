"""Runs on disk: the folder of a run, and how a run is prepared, started, gone on with and read again."""
