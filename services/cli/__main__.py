"""`python -m services.cli` is `quanyu`."""

from services.cli import main

main()
