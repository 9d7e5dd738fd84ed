"""Fixtures that every test may use, and how much Hypothesis tries."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# No deadline: a slow machine is no error. CI draws the same examples every time.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# These run in environments of their own, not in the project's.
collect_ignore = ["golden/make_transforms.py", "clients"]

SHARED = Path(__file__).parents[2] / "shared"


def _tensor(array: Any) -> Any:
    import torch

    return torch.from_numpy(np.array(array))


@pytest.fixture(params=["numpy", "torch"])
def asarray(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Turn a NumPy array into an array of each backend in turn, element type kept."""
    return np.asarray if request.param == "numpy" else _tensor


@pytest.fixture
def rng() -> np.random.Generator:
    """Give random numbers that are the same in every run."""
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the optional folder of samples and reference figures beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(
            f"no folder {SHARED.name} beside the checkout: samples and figures are not here"
        )
    return SHARED
