import pytest
from provider import Provider


@pytest.fixture
def provider():
    """A provider that stands in for paid ones, with the tariffs it comes with."""
    with Provider() as started:
        yield started
