"""`python -m pointsman.cli`: the same as `pointsman`."""

import sys

from pointsman.cli import main

sys.exit(main())
