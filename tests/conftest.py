"""What every test needs before it is imported."""

import randstudy.training  # noqa: F401 (fixes the numeric environment, so it comes before torch)
