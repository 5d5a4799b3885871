"""Backbones, each a feature extractor and a linear head."""
