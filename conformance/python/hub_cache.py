"""Reads and fills a cache of huggingface_hub."""

import hashlib
from pathlib import Path

from huggingface_hub import constants, snapshot_download


def hub_cache(endpoint, cache, repo, revision, offline):
    """The hash of each file of a model in the cache, by its path; what is not there is downloaded unless `offline`."""
    # The environment of the checks asks no hub; this one is on this machine.
    constants.HF_HUB_OFFLINE = offline
    folder = Path(snapshot_download(repo, revision=revision, endpoint=endpoint, cache_dir=cache, local_files_only=offline))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
