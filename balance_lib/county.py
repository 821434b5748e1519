"""Keep the address ``balance_lib.county`` that scripts of 0.1 import; the County stands in :mod:`balance_lib.data`."""

from balance_lib.data.county import County

__all__ = ["County"]
