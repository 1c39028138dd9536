"""What every test run shares: no network, no telemetry, skips that count where they must not happen, and an order."""

import os
from collections.abc import Generator
from typing import Any

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
# Beside another process of tests, several threads of one computation would mostly wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# These say within how much time a kill, a stop, an outage is over, or known: nothing else may run meanwhile.
ALONE = (
    "tests/acceptance/test_chat.py",
    "tests/acceptance/test_house.py",
    "tests/acceptance/test_operate.py",
    "tests/acceptance/test_wecom.py",
    "tests/faults/test_drain.py",
    "tests/faults/test_kills.py",
    "tests/faults/test_outage.py",
    "tests/faults/test_processes.py",
    "tests/faults/test_upgrades.py",
    "tests/integration/test_slack_intake.py",
    "tests/integration/test_store_outage.py",
    "tests/integration/test_store_processes.py",
    "tests/integration/test_wecom_socket.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--must-run",
        action="append",
        default=[],
        metavar="MARKER",
        help="a test with this marker that is skipped, or that was not found at all, counts as a failure",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in config.getoption("--must-run"):
        if not any(item.get_closest_marker(marker) for item in items):
            items[:] = [NotFound.from_parent(session, name=f"--must-run {marker}")]
            return
    if "PYTEST_XDIST_WORKER" in os.environ:
        put_in_turn(items)


class NotFound(pytest.Item):
    """Fails in place of all others. An exception here would be told by the process that collects alone, to nobody."""

    def runtest(self) -> None:
        pytest.fail(f"{self.name}: no such test was found", pytrace=False)


def put_in_turn(items: list[pytest.Item]) -> None:
    """Files with slow tests begin early, so that no process waits for them at the end; what runs alone comes last."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.nodeid.startswith(ALONE), item.path not in slow))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`: a file stays in one process, as its fixtures are set up once for it; so does all that runs alone."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "alone" if nodeid.startswith(ALONE) else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # it is in turn already
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and must_run(item):
        _, _, reason = report.longrepr
        report.outcome, report.longrepr = "failed", f"must run. {reason}"
    return report


def must_run(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(marker) for marker in item.config.getoption("--must-run"))
