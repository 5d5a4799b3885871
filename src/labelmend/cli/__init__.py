"""The command line: one file a subcommand; each parses, calls the Python API and prints."""
