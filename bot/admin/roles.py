"""What those may do who are signed in to the operator's pages."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """A person holds a set of these. Operator and reader may see whatever a viewer sees; neither includes the other."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    READER = "reader"


def roles_of(names: Iterable[str]) -> frozenset[Role]:
    """Those of these names that are roles, with what they include; another release may know others."""
    known = set(map(str, Role)) & set(names)
    return frozenset(map(Role, known | {Role.VIEWER})) if known else frozenset()
