"""Let ``python -m balance_lib.cli`` run the command line."""

from balance_lib.cli import main

main()
