"""What every test run shares: no network, no telemetry, and skips that count where they must not happen."""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: what is slow there still has to be right.
settings.register_profile("parley", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("parley")

# Set before anything imports the libraries that read them, and inherited by the servers that tests start.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--must-run",
        action="append",
        default=[],
        metavar="MARKER",
        help="a test with this marker that is skipped, or that was not found at all, counts as a failure",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in config.getoption("--must-run"):
        if not any(item.get_closest_marker(marker) for item in items):
            raise pytest.UsageError(f"--must-run {marker}: no such test was found")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and must_run(item):
        _, _, reason = report.longrepr
        report.outcome, report.longrepr = "failed", f"must run. {reason}"
    return report


def must_run(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(marker) for marker in item.config.getoption("--must-run"))
