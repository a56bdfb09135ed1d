"""What routing expects, and holds, of models that can be asked for at a batch price."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman import Router, Task
from pointsman.budget.exposure import exposure
from pointsman.registry import Fleet, load_fleet
from pointsman.treasury.asking import attempt_of
from pointsman.types import Call

FLEET = load_fleet("default")
HALVED = Fleet(
    FLEET.name,
    tuple(
        msgspec.structs.replace(card, price=msgspec.structs.replace(card.price, batch_percent=50))
        for card in FLEET.cards
    ),
    FLEET.baseline,
)
ROUTER = Router.load(fleet=HALVED, profile="fast")


def costs(call):
    task = Task("Fix the login bug", call=call)
    return dict(zip(HALVED.ids, ROUTER.candidates([task], "fast").cost_nanousd[0].tolist(), strict=True))


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(HALVED.ids)))
def test_only_models_that_are_asked_for_at_their_batch_price_are_expected_at_it(batched):
    plain, cheaper = costs(Call(most_input_tokens=100)), costs(Call(most_input_tokens=100, batch_models=(*batched,)))
    assert cheaper == {name: -(-cost // 2) if name in batched else cost for name, cost in plain.items()}


def test_the_full_price_is_held_for_them():
    plain, batched = (
        attempt_of(Task("Fix it", call=Call(most_input_tokens=100, max_output_tokens=50, batch_models=models)))
        for models in ((), HALVED.ids)
    )
    for card in HALVED.cards:
        assert exposure(card, batched) == exposure(card, plain)
