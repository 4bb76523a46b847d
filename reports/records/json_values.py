"""Values in the form that JSON knows."""

import math
from typing import Any


def finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not know: NaN and infinity. Tuples become lists."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
