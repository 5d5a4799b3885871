"""The per-sample table: what a run says of every training image."""
