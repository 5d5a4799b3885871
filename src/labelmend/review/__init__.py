"""The page on which a person goes through the suggestions of a run: reads run folders, never trains."""
