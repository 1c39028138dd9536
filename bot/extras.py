"""What is installed only where it is wanted: the extras of pyproject.toml."""

_SLACK = frozenset({"slack_bolt", "slack_sdk"})


def lacks_slack(error: ModuleNotFoundError) -> bool:
    """Whether it is a package of the extra `slack` that was not found; any other module is missed by mistake."""
    return (error.name or "").partition(".")[0] in _SLACK
