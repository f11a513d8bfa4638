"""``python -m salkit`` is the command ``salkit``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
