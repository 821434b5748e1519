"""Know whether this process serves somebody who may only look; the server tells each kernel who its visitor is."""

from __future__ import annotations

import os

PLANNER, VIEWER = "planner", "viewer"
# Voila hands this header to the kernel as VARIABLE; whatever a visitor sends under its name is overwritten.
HEADER, VARIABLE = "Balance-Role", "HTTP_BALANCE_ROLE"


def only_looks() -> bool:
    """Tell whether this process serves somebody who may look but not save: a leader's or a visitor's page."""
    return os.environ.get(VARIABLE) == VIEWER
