"""What a run found, in the formats of other tools."""
