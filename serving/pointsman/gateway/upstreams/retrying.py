"""Whether a failed call is sent again to the same model, and after how long."""

import random

from pointsman.errors import UpstreamError
from pointsman.settings import Retries


def wait_s(error: UpstreamError, tries: int, retries: Retries, rng: random.Random) -> float | None:
    """Return how long to wait before a call is sent again, None where it isn't.

    Only what is retryable and certainly unbilled is sent again, so that one hold covers all tries. The wait is drawn
    from 0 to a bound that doubles with each try ("full jitter", AWS Architecture Blog, 2015), and is what the provider
    asks for where that is more; a provider that asks for more than `max_delay_s` is left for the next model.
    """
    if tries >= retries.attempts or not (error.is_retryable and error.is_unbilled):
        return None
    asked = error.retry_after_s or 0.0
    if asked > retries.max_delay_s:
        return None
    bound = min(retries.max_delay_s, retries.base_delay_s * 2.0 ** (tries - 1))
    return max(asked, rng.uniform(0.0, bound))
