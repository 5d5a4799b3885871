"""In which order the images of a run are shown to a person."""

from __future__ import annotations

import numpy as np
import pandas as pd


def review_order(table: pd.DataFrame) -> np.ndarray:
    """Rows of a table of verdicts, those first that a look is most worth.

    The lower the label quality, the earlier; of equals the surer suggestion, then the order of the data.

    Args:
        table: of N images, with the columns of ``labelmend.verdicts.frame.COLUMNS``.

    Returns:
        int64 (N,), indices of rows.
    """
    quality = table["label_quality"].to_numpy()
    confidence = table["suggestion_confidence"].to_numpy()
    return np.lexsort((-confidence, quality)).astype(np.int64)
