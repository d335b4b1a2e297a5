"""`python -m services.cli` is `quanyu`."""

from services.cli.program import main

main()
