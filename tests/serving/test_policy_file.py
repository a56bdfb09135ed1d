import json

import msgspec
import pytest

from pointsman import Policy, Weights
from pointsman.errors import InvalidFile, InvalidInput
from pointsman.policy_file import policy_json, read_policy
from pointsman.promises import DialPoint, Promises

PROMISES = Promises(
    confidence=0.95,
    fleet={"small": (1, 2)},
    curves={"fast": (DialPoint(0.1, 0.8, 5, 0.7),)},
    source="school",
    evidence="held out",
    prompts=500,
    groups=400,
    novelty_ceiling=0.98,
    novelty_quantiles=tuple(place / 100 for place in range(101)),
    bundle="abc",
)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(confidence=None),
        Policy(confidence=0.9, trade_usd=0.02),
        Policy(strategy="weighted", weights=Weights(cost=0.4)),
        Policy(target_quality=0.7, promises=PROMISES),
    ],
)
def test_a_policy_reads_back_as_it_was_written(tmp_path, policy):
    path = tmp_path / "policy.json"
    path.write_bytes(policy_json(policy))
    assert read_policy(path) == policy


def written(path, **policy):
    path.write_text(json.dumps({"format": 1, "policy": policy}))
    return path


def test_a_file_that_is_none_is_refused_with_what_is_wrong(tmp_path):
    path = tmp_path / "policy.json"
    with pytest.raises(InvalidFile, match=r"policy\.json can't be read: No such file or directory\.$"):
        read_policy(path)
    for data in (b"{", b"[]", b"\xff", b'{"format": 1}', b"[" * 10_000):
        path.write_bytes(data)
        with pytest.raises(InvalidFile, match=r"is no policy file: .*; expected a file that pointsman target wrote\.$"):
            read_policy(path)
    path.write_bytes(b'{"format": 2, "policy": {}}')
    with pytest.raises(InvalidFile, match="has policy format 2; this release reads format 1"):
        read_policy(path)
    path.write_bytes(b" " * ((4 << 20) + 1))
    with pytest.raises(InvalidFile, match="is larger than 4 MB"):
        read_policy(path)


def test_an_unknown_part_and_a_value_out_of_range_are_refused(tmp_path):
    with pytest.raises(InvalidFile, match="unknown field `lambda`"):
        read_policy(written(tmp_path / "a.json", **{"lambda": 3}))
    with pytest.raises(InvalidInput, match=r"^confidence is 3"):
        read_policy(written(tmp_path / "b.json", confidence=3))
    broken = msgspec.to_builtins(PROMISES) | {"novelty_quantiles": [1, 0]}
    with pytest.raises(InvalidFile, match="novelty_quantiles must be 101 numbers that ascend"):
        read_policy(written(tmp_path / "c.json", promises=broken))
