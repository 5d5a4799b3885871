"""Published weights: whether they are on this machine, and fetching them, announced."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import urlparse

import torch

from labelmend.errors import LabelmendError, LabelmendWarning

HUB_FILES = ("model.safetensors", "pytorch_model.bin")


class DownloadError(LabelmendError):
    """Weights cannot be fetched: no connection, or it was refused."""


class Published(Protocol):
    """Weights that somebody published."""

    def cached(self) -> Path | None:
        """The file on this machine, or None where it has to be fetched."""

    def describe(self) -> str:
        """How large they are and from where they come, in words; may ask there, and raise as ``fetch``."""

    def fetch(self) -> Path:
        """Fetch the file; raises whatever the client raises where that fails."""


@dataclass(frozen=True)
class HubWeights:
    """Weights in a repository of the Hugging Face hub.

    Attributes:
        repository: owner and name, with a revision behind ``@`` where it is not the newest.
        licence: as their publisher says, or None.
    """

    repository: str
    licence: str | None = None

    @property
    def _id(self) -> str:
        return self.repository.partition("@")[0]

    @property
    def _revision(self) -> str | None:
        return self.repository.partition("@")[2] or None

    def cached(self) -> Path | None:
        """The file in the hub's cache, or None."""
        from huggingface_hub import try_to_load_from_cache

        for name in HUB_FILES:
            found = try_to_load_from_cache(self._id, name, revision=self._revision)
            if isinstance(found, str):
                return Path(found)
        return None

    def describe(self) -> str:
        """Repository, size and licence."""
        from huggingface_hub import constants

        _, size = self._located
        place = f"{constants.ENDPOINT}/{self.repository}"
        return f"{_megabytes(size)} from {place} (licence: {self.licence or 'not stated'})"

    @cached_property
    def _located(self) -> tuple[str, float | None]:
        """Name of the file and its size in MB; asked once, while the hub's own download asks six times."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError

        for name in HUB_FILES:
            try:
                url = hf_hub_url(self._id, name, revision=self._revision)
                size = get_hf_file_metadata(url, timeout=10).size
            except EntryNotFoundError:
                continue
            return name, None if size is None else size / 1e6
        raise FileNotFoundError(f"{self.repository} has neither {' nor '.join(HUB_FILES)}")

    def fetch(self) -> Path:
        """Fetch the file into the hub's cache."""
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self._id, self._located[0], revision=self._revision))


@dataclass(frozen=True)
class UrlWeights:
    """Weights at an address of their own.

    Attributes:
        url: of the file.
        licence: as their publisher says, or None.
        megabytes: how large the file is, or None.
        name: of the file in the cache of PyTorch's hub; by default its name in the address.
    """

    url: str
    licence: str | None = None
    megabytes: float | None = None
    name: str | None = None

    @property
    def _file(self) -> Path:
        name = self.name or os.path.basename(urlparse(self.url).path)
        return Path(torch.hub.get_dir()) / "checkpoints" / name

    def cached(self) -> Path | None:
        """The file in the cache of PyTorch's hub, or None."""
        return self._file if self._file.is_file() else None

    def describe(self) -> str:
        """Address, size and licence."""
        return f"{_megabytes(self.megabytes)} from {self.url} (licence: {self.licence or 'not stated'})"

    def fetch(self) -> Path:
        """Fetch the file into the cache of PyTorch's hub; its hash, where its name has one, is checked."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        found = torch.hub.HASH_REGEX.search(self._file.name)
        torch.hub.download_url_to_file(self.url, str(self._file), found.group(1) if found else None)
        return self._file


def _megabytes(size: float | None) -> str:
    return "a file of unknown size" if size is None else f"{size:.1f} MB"


def get(published: Published, name: str) -> Path:
    """The file of published weights, fetched if need be; a download is announced before it starts.

    Args:
        published: the weights.
        name: of their network, for the message.

    Raises:
        DownloadError: If there is no connection, or it is refused or not wanted (``HF_HUB_OFFLINE``).
    """
    from huggingface_hub import constants

    file = published.cached()
    if file is not None:
        return file
    if constants.HF_HUB_OFFLINE:
        raise DownloadError("HF_HUB_OFFLINE forbids downloads")
    try:
        text = f"fetching the weights of {name}: {published.describe()}"
        warnings.warn(text, LabelmendWarning, stacklevel=2)
        return published.fetch()
    # Connections fail with the errors of several libraries, and every one has the same way out.
    except Exception as error:
        raise DownloadError(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}") from error
