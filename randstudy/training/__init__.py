"""Training one pack: stacked parameters, one loop for one trial or five hundred.

Importing this package fixes the numeric environment, so import it before torch. It imports neither
ray nor mlflow.
"""

from randstudy.numerics import prepare_environment

prepare_environment()

from randstudy.training.observation import Observation  # noqa: E402 (the order is the point)
from randstudy.training.pack_run import PackRun  # noqa: E402

__all__ = ["Observation", "PackRun"]
