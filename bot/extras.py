"""What is installed only where it is wanted: the extras of pyproject.toml."""

_PACKAGES = {
    "cache": frozenset({"faiss", "numpy"}),
    "slack": frozenset({"slack_bolt", "slack_sdk"}),
    "teams": frozenset({"botbuilder", "botframework"}),
    "wecom": frozenset({"defusedxml"}),
}


def lacks(extra: str, error: ModuleNotFoundError) -> bool:
    """Whether it is a package of this extra that was not found; any other module is missed by mistake."""
    return (error.name or "").partition(".")[0] in _PACKAGES[extra]
