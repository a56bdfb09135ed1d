import numpy as np
import pytest

from pointsman_training.kernel import _regress, fit_kernel, squared_distances


def world(rng, n=400):
    """Inputs of eight columns, the first five an embedding; two kinds; a target that is smooth in the inputs."""
    inputs = rng.normal(size=(n, 8)).astype(np.float32)
    kind = (inputs[:, 0] > 0).astype(int)
    target = np.sin(inputs[:, 1]) + 2.0 * kind
    return inputs, np.eye(2, dtype=np.float32)[kind], target[:, np.newaxis].astype(np.float32)


def whole(inputs):
    return [(np.arange(len(inputs)), 1.0)]


def test_leave_one_out_predictions_equal_those_of_fits_without_the_row():
    rng = np.random.default_rng(0)
    points, centres = rng.normal(size=(30, 3)), rng.normal(size=(8, 3))
    near, among = (np.exp(-squared_distances(rows, centres)) for rows in (points, centres))
    targets = rng.normal(size=(30, 2))
    targets -= targets.mean(axis=0)
    _, _, held_out = _regress(near, among, targets, 0.7)
    for row in (0, 7, 29):
        rest = np.arange(30) != row
        shifted = np.vstack([targets[rest], -targets[rest].sum(axis=0, keepdims=True)])
        weights, _, _ = _regress(np.vstack([near[rest], np.zeros((1, 8))]), among, shifted, 0.7)
        np.testing.assert_allclose(held_out[row], near[row] @ weights, atol=1e-9)


def test_a_smooth_target_is_learned_from_its_neighbourhood():
    rng = np.random.default_rng(1)
    inputs, kinds, target = world(rng)
    fresh, _, truth = world(rng, 200)
    kernel = fit_kernel(inputs, 5, kinds, target, whole(inputs), (120, 8), seed=0)
    left = ((kernel(fresh) - truth) ** 2).mean() / truth.var()
    assert left < 0.25


def test_knowing_the_kinds_helps():
    rng = np.random.default_rng(2)
    inputs, kinds, target = world(rng)
    fresh, _, truth = world(rng, 400)
    errors = [
        ((fit_kernel(inputs, 5, labels, target, whole(inputs), (120, 8), seed=0)(fresh) - truth) ** 2).mean()
        for labels in (kinds, np.ones((len(inputs), 1), dtype=np.float32))
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("n", [3, 40])
def test_landmarks_and_components_are_never_more_than_the_rows_allow(n):
    rng = np.random.default_rng(3)
    inputs, kinds, target = world(rng, n)
    kernel = fit_kernel(inputs, 5, kinds, target, whole(inputs), (1_000, 96), seed=0)
    assert kernel.landmarks.shape == (n, min(n, 8))
    assert np.isfinite(kernel(inputs)).all()


def test_the_same_seed_gives_the_same_kernel():
    rng = np.random.default_rng(4)
    inputs, kinds, target = world(rng, 60)
    first, second = (fit_kernel(inputs, 5, kinds, target, whole(inputs), (20, 8), seed=9) for _ in range(2))
    np.testing.assert_array_equal(first(inputs), second(inputs))


def test_each_part_has_its_share_of_the_landmarks():
    rng = np.random.default_rng(5)
    inputs, kinds, target = world(rng, 100)
    inputs[60:] += 50
    parts = [(np.arange(60), 0.7), (np.arange(60, 100), 0.3)]
    kernel = fit_kernel(inputs, 5, kinds, target, parts, (20, 8), seed=0)
    near, far = (
        squared_distances(kernel.landmarks, (inputs[rows] @ kernel.projection + kernel.offset).mean(axis=0)[np.newaxis])
        for rows, _ in parts
    )
    assert ((near < far).sum(), (far < near).sum()) == (14, 6)
