"""Print the reference page: `python -m flashmm_instrumentation.semconv > docs/reference/telemetry.md`."""

import sys

from flashmm_instrumentation.semconv._reference import reference

sys.stdout.write(reference())
