"""Hard anchor hallucination, section 3.2 of the paper: pairs of easy features -> labelled anchors."""
