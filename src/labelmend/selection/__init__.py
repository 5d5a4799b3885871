"""Easy sample selection, section 3.1 of the paper: losses -> easiness -> easy set."""
