"""How long an answer may be: the least of what caller, plan, task type and, where wanted, the predicted length allow.

A limit from the predicted length saves no money by itself: an answer that it cuts off was paid for, and is asked for
again. What it does is make holds smaller. So it is off unless a deployment turns it on; docs/conversations.md has what
it would save and cut.
"""

import math
from bisect import bisect_left
from typing import Final

from pointsman.settings import OutputSettings

QUANTILES: Final = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
FACTORS: Final = (0.77, 1.16, 1.51, 2.00, 2.86, 3.95, 6.77, 13.74)
"""How many times its predicted length a share of answers stays within.

Measured with the bundled model, read deep, on 44,615 published answers of 60 models to 2,098 dev prompts of zeroeval
and mmlu_pro. Factors of one half of the prompts cover .9516 of the other half's answers at .95, and .9910 at .99. They
aren't log-normal: a normal law with the same mean and deviation has 2.68 at .95, and 4.76 at .99.
"""

LEAST_TOKENS: Final = 64
"""No predicted limit is lower: a short answer costs little, and one cut off costs the whole answer again."""


def output_limit(
    settings: OutputSettings,
    task_type: str,
    *,
    asked: int | None = None,
    plan_tokens: int | None = None,
    predicted_tokens: float | None = None,
) -> int | None:
    """Return the most tokens that an answer may have, None where nothing limits it.

    `predicted_tokens` is the expected length with the model that answers; it counts no hidden reasoning, so leave it
    out for models that think before they write.
    """
    limits = [asked, plan_tokens, settings.max_tokens_by_type.get(task_type)]
    if settings.predicted and predicted_tokens is not None and math.isfinite(predicted_tokens):
        limits.append(max(LEAST_TOKENS, math.ceil(predicted_tokens * length_factor(settings.quantile))))
    return min((limit for limit in limits if limit is not None), default=None)


def length_factor(quantile: float) -> float:
    """Return how many times its predicted length this share of answers stays within.

    Between the measured quantiles the factor's logarithm goes with that of the share beyond; outside, the outermost
    measured factor counts.
    """
    if quantile <= QUANTILES[0]:
        return FACTORS[0]
    if quantile >= QUANTILES[-1]:
        return FACTORS[-1]
    after = bisect_left(QUANTILES, quantile)
    if QUANTILES[after] == quantile:
        return FACTORS[after]
    low, high = (math.log(1.0 - QUANTILES[index]) for index in (after - 1, after))
    share = (math.log(1.0 - quantile) - low) / (high - low)
    return math.exp((1 - share) * math.log(FACTORS[after - 1]) + share * math.log(FACTORS[after]))
