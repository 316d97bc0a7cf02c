"""Print the reference page: `python -m flashmm_instrumentation > docs/reference/instrumentation.md`."""

import sys

from flashmm_instrumentation._reference import page

sys.stdout.write(page())
