"""A process that kills itself: `python crasher.py URL FAILPOINT NTH`. It prints what was acknowledged before."""

import os
import signal
import sys
from collections import Counter

from ledgers import NOON, asking

from pointsman.budget import GLOBAL, Amount, Limit
from pointsman.store import Writing, open_ledger

LIMITS = [Limit(GLOBAL, "day", 10_000)]


def main(url, name, nth):
    seen = Counter()

    def failpoint(reached):
        seen[reached] += 1
        if (reached, seen[reached]) == (name, nth):
            os.kill(os.getpid(), signal.SIGKILL)

    with open_ledger(url, clock=lambda: NOON, writing=Writing(failpoint=failpoint)) as ledger:
        for number in range(20):
            hold = ledger.reserve(asking(f"key{number}"), LIMITS)
            print("reserved", hold.hold_id, flush=True)
            ledger.settle(hold.hold_id, Amount(60), key="s")
            print("settled", hold.hold_id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
