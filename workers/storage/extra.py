"""What only some farms have installed."""

import importlib.util
from typing import Final

NO_AZURE: Final = "Azure Blob is not installed on this farm (the package's extra `azure`)"


def has_azure() -> bool:
    """Whether buckets of kind ``azure`` can be opened."""
    try:
        return importlib.util.find_spec("azure.storage.blob") is not None
    except ModuleNotFoundError:
        return False
