"""Serve the dashboards as a process of its own: ``python -m balance_lib.show.serve``."""

from __future__ import annotations

import argparse
import os

from balance_lib.show.serve import PORT, launch


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m balance_lib.show.serve", description=__doc__)
    parser.add_argument("--root")
    parser.add_argument("--dashboards")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--ip", default="127.0.0.1")
    parser.add_argument("--base-url", default="/")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh")
    parser.add_argument("--pool", type=int, default=1)
    parser.add_argument("--allow-host", action="append", default=[], dest="hosts")
    parser.add_argument("--open-browser", action="store_true")
    # No kernel inherits the tokens.
    token, viewer_token = (os.environ.pop(name, None) for name in ("BALANCE_TOKEN", "BALANCE_VIEWER_TOKEN"))
    launch(**vars(parser.parse_args()), token=token, viewer_token=viewer_token)


if __name__ == "__main__":
    main()
