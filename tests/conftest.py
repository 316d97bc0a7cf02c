"""Settings that hold for every test."""

import os

from hypothesis import settings

# No deadline for an example: the machine may be shared, and time is tested in the benches.
settings.register_profile("check", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile("soak" if os.environ.get("FLASHMM_SOAK") == "1" else "check")
