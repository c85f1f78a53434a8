"""``python -m qdcbench``."""

import sys

from qdcbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
