"""`python -m helios_pipe` is the command line."""

import sys

from helios_pipe.cli.main import main

sys.exit(main())
