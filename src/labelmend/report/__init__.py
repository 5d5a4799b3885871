"""A run as one page that a person can read, and its figures; reads run folders only and never trains."""
