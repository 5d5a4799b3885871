"""Labels of a run's data corrected: chosen, written beside what they were, and taken back."""
