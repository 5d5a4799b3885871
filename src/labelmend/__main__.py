"""``python -m labelmend``: the command line, also where the folder of scripts is not on the PATH."""

import sys

from labelmend.cli.main import main

sys.exit(main())
