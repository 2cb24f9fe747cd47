import keras
import pytest


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers, whichever tests run before it."""
    keras.utils.set_random_seed(0)
