"""Give the ``balance`` command; every module here registers its commands with the application in ``shared``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from balance_lib.cli import basics as _basics  # noqa: F401  its commands stand first in the help

# isort: split
from balance_lib.cli import access as _access  # noqa: F401
from balance_lib.cli import batch as _batch  # noqa: F401
from balance_lib.cli import brief as _brief  # noqa: F401
from balance_lib.cli import optimise as _optimise  # noqa: F401
from balance_lib.cli import plan as _plan  # noqa: F401
from balance_lib.cli import project as _project  # noqa: F401
from balance_lib.cli import remedy as _remedy  # noqa: F401
from balance_lib.cli import report as _report  # noqa: F401
from balance_lib.cli import scenario as _scenario  # noqa: F401
from balance_lib.cli import store as _store  # noqa: F401
from balance_lib.cli.shared import app
from balance_lib.extras import MissingExtraError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(encoding="utf-8")  # Chinese output must not fail under LANG=C
    try:
        app()
    except MissingExtraError as error:
        sys.exit(f"{error.message('zh')}\n{error.message('en')}")
