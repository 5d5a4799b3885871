"""What a run says of every training image: a table with a few questions answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from labelmend.data.image_set import ImageSet
from labelmend.data.labels import sort_class_names
from labelmend.errors import DataError
from labelmend.verdicts.frame import read_parquet, to_frame, write_csv, write_parquet
from labelmend.verdicts.judge import EASY, VERDICTS
from labelmend.verdicts.looks import Looks
from labelmend.verdicts.record import SampleRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PLACED = 1200
"""Images of ``plot_embedding``, drawn at random where there are more."""

PARQUET, CSV = "verdicts.parquet", "verdicts.csv"


class Verdicts:
    """One row a training image, in the order of the data.

    Args:
        table: the rows, with the columns of ``labelmend.verdicts.frame.COLUMNS``.
        looks: where pictures and features of the images come from; None where there are none.

    Attributes:
        table: the same DataFrame: ``id``, ``path``, ``given_label``, ``predicted_label``,
            ``suggested_label`` (the given label where nothing is suggested), ``verdict``,
            ``is_label_issue``, ``label_quality`` (in [0, 1], low = suspicious),
            ``suggestion_confidence`` (in [0, 1], high = sure), ``easiness`` (in [0, 1], high = easy),
            ``votes``, ``vote_share``, ``nearest_easy_ids``, and ``true_label`` where it is known.
        looks: the same, or None.
    """

    def __init__(self, table: pd.DataFrame, looks: Looks | None = None) -> None:
        self.table = table
        self.looks = looks

    @classmethod
    def from_record(cls, record: SampleRecord, image_set: ImageSet, looks: Looks | None = None) -> Verdicts:
        """The table of what a method says of the images it was trained on."""
        return cls(to_frame(record, image_set), looks)

    @classmethod
    def load(cls, folder: str | Path) -> Verdicts:
        """Read the table of a run folder.

        Raises:
            RunError: If the folder has no readable table.
        """
        return cls(read_parquet(Path(folder) / PARQUET))

    def save(self, folder: str | Path) -> None:
        """Write ``verdicts.parquet`` and ``verdicts.csv`` into a folder."""
        write_parquet(self.table, Path(folder) / PARQUET)
        write_csv(self.table, Path(folder) / CSV)

    def __getstate__(self) -> dict[str, Any]:
        """Without looks: training images do not travel with a pickle of what was found of them."""
        return {"table": self.table, "looks": None}

    def __len__(self) -> int:
        """Number of images."""
        return len(self.table)

    def issues(self) -> pd.DataFrame:
        """The table in cleanlab's columns, one row an image in the order of the data.

        An image that could not be read has no row, here as in ``table``. The index is that of ``table``,
        whose ``id`` says which image a row is of (of arrays its position);
        ``NoisyLabelClassifier.get_label_issues`` has a row for each image.

        Returns:
            ``is_label_issue`` (bool), ``label_quality`` (in [0, 1], low = suspicious), ``given_label``
            and ``predicted_label`` (class names). It can be passed to
            ``cleanlab.classification.CleanLearning.fit(label_issues=...)`` once the labels are the
            integers that cleanlab expects.
        """
        columns = ["is_label_issue", "label_quality", "given_label", "predicted_label"]
        return self.table[columns].copy()

    def suggestions(self, top: int | None = None) -> pd.DataFrame:
        """Rows with another suggested label than the given one, the surest first.

        Args:
            top: how many at most; all by default.
        """
        other = self.table[self.table["suggested_label"] != self.table["given_label"]]
        ranked = other.sort_values(
            ["suggestion_confidence", "label_quality"], ascending=[False, True], kind="stable"
        )
        return ranked if top is None else ranked.head(top)

    def flow(self) -> pd.DataFrame:
        """How many images would move from one class to another if all suggestions were accepted.

        Returns:
            ``given_label``, ``suggested_label``, ``images``, ``share`` (of the images of the given
            class), the largest flow first.
        """
        moved = self.suggestions().groupby(["given_label", "suggested_label"], sort=True).size()
        flow = moved.rename("images").reset_index()
        class_sizes = self.table["given_label"].value_counts()
        flow["share"] = flow["images"].to_numpy() / class_sizes.reindex(flow["given_label"]).to_numpy()
        return flow.sort_values("images", ascending=False, kind="stable").reset_index(drop=True)

    def summary(self) -> dict[str, Any]:
        """Counts of ``images``, ``label_issues``, ``suggestions`` and ``verdicts``; the ten largest flows."""
        counts = self.table["verdict"].value_counts()
        return {
            "images": len(self.table),
            "label_issues": int(self.table["is_label_issue"].sum()),
            "suggestions": int((self.table["suggested_label"] != self.table["given_label"]).sum()),
            "verdicts": {name: int(counts.get(name, 0)) for name in VERDICTS},
            "flow": self.flow().head(10).to_dict("records"),
        }

    def _repr_html_(self) -> str:
        """Counts and the surest suggestions, with thumbnails, as a notebook shows them."""
        from labelmend.verdicts.notebook import as_html

        return as_html(self.summary(), self.suggestions(), self.looks)

    def plot_flow(self, ax: Axes | None = None) -> Axes:
        """Draw how many images would move between classes if all suggestions were accepted.

        Args:
            ax: to draw on; by default that of a new figure.
        """
        from labelmend.verdicts.figures import draw_flow, new_axes
        from labelmend.verdicts.flow import count_flow

        names = self._classes()
        given, suggested = (_codes(self.table[name], names) for name in ("given_label", "suggested_label"))
        found = count_flow(given, suggested, len(names))
        ax = new_axes() if ax is None else ax
        draw_flow(ax, found.images, [names[c] for c in found.classes])
        return ax

    def plot_embedding(
        self,
        ax: Axes | None = None,
        *,
        colour: Literal["given_label", "suggested_label", "verdict"] = "given_label",
        seed: int = 0,
    ) -> Axes:
        """Draw the features of the images in two dimensions, as in Figure 3 of the paper.

        Features are brought to the plane by t-SNE, which takes seconds; where anchors voted, darker ones in
        closed form lie between easy images. Of more than 1,200 images as many are drawn at random.

        Args:
            ax: to draw on; by default that of a new figure.
            colour: what the colours tell apart.
            seed: of all draws.

        Raises:
            DataError: If there are no features, as of a table that was read without its run.
            RunError: If the data of the run have gone.
        """
        from labelmend.verdicts.figures import COLOURS, class_colours, draw_map, new_axes
        from labelmend.verdicts.layout import lay_out

        if self.looks is None:
            raise DataError(
                "there are no features of these images; labelmend.load_run(FOLDER).verdicts has them, and "
                "tracker.verdicts(features=...)"
            )
        total = len(self.table)
        drawn = np.sort(np.random.default_rng(seed).permutation(total)[:MOST_PLACED])
        ids, features = self.looks.features(self.table["id"].iloc[drawn].tolist())
        shown = self.table.set_index("id", drop=False).loc[ids]
        names = self._classes()
        given = _codes(shown["given_label"], names)
        easy = (shown["verdict"] == EASY).to_numpy()
        found = lay_out(features, given, easy, anchors=bool(self.table["votes"].any()), seed=seed)
        if found is None:
            raise DataError(f"{len(ids)} images with equal features, or fewer than five, have no map")
        kinds = list(VERDICTS) if colour == "verdict" else names
        of_classes = class_colours(len(names))
        colours = [COLOURS[name] for name in VERDICTS] if colour == "verdict" else of_classes
        codes = _codes(shown[colour], kinds)
        ax = new_axes() if ax is None else ax
        draw_map(ax, found, codes, kinds, colours, None if colour == "verdict" else of_classes)
        return ax

    def _classes(self) -> list[str]:
        """Classes that are given or suggested, in the usual order."""
        return sort_class_names({*self.table["given_label"], *self.table["suggested_label"]})


def _codes(column: pd.Series, names: list[str]) -> np.ndarray:
    """Places of the values of a column among names, int64 (N,)."""
    return np.asarray(pd.Categorical(column, categories=names).codes, dtype=np.int64)
