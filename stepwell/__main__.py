"""`python -m stepwell` is the command too."""

from stepwell.cli import main

main()
