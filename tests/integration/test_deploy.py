"""The Dockerfile and what stands in deploy/, judged by the tools made for it: no engine, no cluster, no network."""

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tomllib
from base64 import b64encode
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from hashlib import sha256
from http.server import HTTPServer, SimpleHTTPRequestHandler
from io import StringIO
from pathlib import Path
from shutil import which
from threading import Thread
from typing import Any

import kubernetes_validate
import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from rich.console import Console

from bench.process import free_port
from bot import config
from bot.admin.place import Places
from bot.check import examine
from tests.fakes.kubernetes import Cluster, serving
from tests.fakes.wire import WireServer, running

HERE = Path(__file__).parents[2]
DEPLOY = HERE / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SWITCH = KUBERNETES / "switch.sh"
MANIFESTS = ("parley", "service", "blue", "green", "migrate")
# What one installs today, and the oldest that has all that is used.
KUBERNETES_VERSIONS = ("1.28", kubernetes_validate.latest_version())

# Invented, as an operator fills deploy/compose.env.
FILLED = {
    "PARLEY_KEYS": f"1:{b64encode(bytes(range(32))).decode()}",
    "PARLEY_METRICS_TOKEN": "metrics-canary",
    "POSTGRES_PASSWORD": "database-canary",
    "GRAFANA_PASSWORD": "grafana-canary",
    "PARLEY_CONSOLE__TOKENS": json.dumps({"ada": sha256(b"canary").hexdigest()}),
}


def tool(name: str) -> str:
    """A program that `make setup` installs, or one of the machine's."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else which(name)
    return path or pytest.skip(f"{name} is not on this machine")


def manifests() -> Iterator[dict[str, Any]]:
    for name in MANIFESTS:
        yield from yaml.safe_load_all((KUBERNETES / f"{name}.yaml").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------------ the image


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's steps by stage: the instruction, and what stands behind it on its lines."""
    text = re.sub(r"^#.*\n", "", (HERE / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[list[tuple[str, str]]] = [[]]
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            found += [[]] if instruction == "FROM" else []
            found[-1].append((instruction, rest.strip()))
    return found[1:]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run([tool("hadolint"), "--no-color", HERE / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_every_extra_of_the_makefile_but_the_developers() -> None:
    make = re.search(r"^EXTRAS := (.+)$", (HERE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    image = re.search(r"--editable '\.\[(.+)\]'", (HERE / "Dockerfile").read_text(encoding="utf-8"))
    assert make
    assert image
    assert set(image[1].split(",")) == set(make[1].split(",")) - {"dev"}


def test_the_last_stage_installs_nothing_and_is_nobody_special() -> None:
    steps = stages()[-1]
    run = " ".join(rest for instruction, rest in steps if instruction == "RUN")
    assert not re.search(r"apt|pip|gcc|curl", run)
    assert ("USER", "10001:10001") in steps
    # What is copied before the account is named belongs to root: the assistant cannot change its own code.
    assert not any("--chown" in rest for instruction, rest in steps if instruction == "COPY")
    after = [instruction for instruction, _ in steps[steps.index(("USER", "10001:10001")) :]]
    assert "RUN" not in after
    assert "COPY" not in after


def test_the_last_stage_keeps_its_data_apart_and_says_how_it_is() -> None:
    steps = dict(stages()[-1])
    assert steps["VOLUME"] == "/var/lib/parley"
    assert "PARLEY_DATA_DIR=/var/lib/parley" in steps["ENV"]
    assert steps["HEALTHCHECK"].endswith('CMD ["python", "-IS", "/app/deploy/healthcheck.py"]')
    assert (steps["ENTRYPOINT"], steps["CMD"]) == ('["parley"]', '["serve"]')


def test_only_what_the_assistant_runs_on_enters_the_image() -> None:
    lines = (HERE / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    packages = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    wanted = {name.removesuffix("*") for name in packages} | {"app.yaml", "constraints.txt", "pyproject.toml"}
    wanted |= {"deploy/healthcheck.py"}
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == wanted
    for secret in ("a/parley.env", "bot/.env", "core/x.pem", "bot/tls.key"):
        assert any(fnmatch(secret, rule.removeprefix("**/").join(("*", ""))) for rule in rules[1:]), secret


@pytest.mark.parametrize(("given", "status"), [("cpu:", 1), ("metal:x", 1), ("cpu:x", 0), ("cuda:", 0)])
def test_a_variant_that_cannot_be_built_is_refused_before_anything_is_fetched(given: str, status: int) -> None:
    variant, index = given.split(":")
    check = next(rest for instruction, rest in stages()[0] if instruction == "RUN")
    environment = {"VARIANT": variant, "TORCH_INDEX_URL": index}
    done = subprocess.run(["sh", "-c", check], env=environment, capture_output=True, text=True)
    assert done.returncode == status
    assert ("VARIANT=cuda" in done.stderr) == (status == 1)


def health(port: int) -> int:
    """As Docker runs it where people's machines are behind a proxy, which is closed here."""
    command = [sys.executable, "-IS", str(DEPLOY / "healthcheck.py")]
    proxies = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), f"http://127.0.0.1:{free_port()}"
    )
    return subprocess.run(command, env={"PARLEY_SERVER__PORT": str(port), **proxies}, capture_output=True).returncode


@pytest.mark.parametrize(("answers", "status"), [({"/healthz": 200}, 0), ({"/healthz": 500}, 1), ({}, 1)])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_the_health_check_asks_the_process_itself(
    tmp_path: Path, answers: dict[str, int], status: int, is_tls: bool
) -> None:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(status=answers["/healthz"])

    app = web.Application()
    app.add_routes([web.get(path, healthz) for path in answers])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=speaking_tls(tmp_path) if is_tls else None).start()
    port = runner.addresses[0][1]
    assert await asyncio.to_thread(health, port) == status
    await runner.cleanup()
    assert await asyncio.to_thread(health, port) == 1


def speaking_tls(folder: Path) -> ssl.SSLContext:
    """With a certificate that nobody vouches for, for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chat.example.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    file = folder / "pair"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(file)
    return context


# Stands in for buildah: what stands behind `--` is asked of the "container", which the test has answer.
BUILDAH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done; shift
case "$*" in
    "") exit 125 ;;
    "sh -c test "*) exit 0 ;;
    "sh -c "*) exit $TOOLS ;;
    check) exit $HEALTH ;;
    *) exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("answers", "check", "said"),
    [
        ({"TOOLS": "0", "HEALTH": "0"}, ["CMD", "check"], "It is healthy before it has started"),
        ({"TOOLS": "0", "HEALTH": "1"}, ["CMD", "check"], "It is not healthy"),
        ({"TOOLS": "125", "HEALTH": "1"}, ["CMD", "check"], "gcc is in the image"),
        ({"TOOLS": "0", "HEALTH": "1"}, ["CMD"], "The image has no health check"),
    ],
)
def test_the_proof_takes_no_failure_to_ask_for_a_good_answer(
    tmp_path: Path, answers: dict[str, str], check: list[str], said: str
) -> None:
    for name, text in {"buildah": BUILDAH, "ip": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "root/app/bot").mkdir(parents=True)
    (tmp_path / "config.json").write_text(json.dumps({"Healthcheck": {"Test": check}}))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "container": "c", "work": str(tmp_path), **answers}
    command = f'say() {{ echo "$*" >&2; }}; export -f say; exec bash {DEPLOY / "proof.sh"}'
    done = subprocess.run(
        ["bash", "-c", command], env=environment | {"root": str(tmp_path / "root")}, capture_output=True, text=True
    )
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


# ---------------------------------------------------------------------------------------------------------- the compose


def composed(folder: Path, *, more: Mapping[str, str] | None = None, files: tuple[str, ...] = ("compose.yaml",)) -> Any:
    """What Compose itself makes of the files and of the example, filled in."""
    folder.mkdir(exist_ok=True)
    env = folder / "compose.env"
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    filled = "".join(f"{name}='{value}'\n" for name, value in (FILLED | dict(more or {})).items())
    env.write_text(f"{example}\n{filled}", encoding="utf-8")
    given = [word for file in files for word in ("--file", str(DEPLOY / file))]
    command = [tool("docker-compose"), "--env-file", str(env), *given, "config", "--format", "json"]
    done = subprocess.run(command, env={"HOME": str(folder)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("profiles", ["", "gpu", "vllm", "gpu,vllm"])
@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.gpu.yaml")], ids=["", "gpu"])
def test_compose_accepts_every_profile(tmp_path: Path, profiles: str, files: tuple[str, ...]) -> None:
    services = composed(tmp_path, more={"COMPOSE_PROFILES": profiles}, files=files)["services"]
    added = {"gpu": {"dcgm-exporter"}, "vllm": {"vllm"}}
    wanted = set().union(*(added[name] for name in profiles.split(",") if name))
    assert services.keys() == {"bot", "postgres", "prometheus", "grafana"} | wanted
    assert services["bot"]["build"]["args"]["VARIANT"] == ("cuda" if len(files) > 1 else "cpu")


def test_compose_refuses_to_start_without_what_must_be_set(tmp_path: Path) -> None:
    command = [
        tool("docker-compose"),
        "--env-file",
        str(DEPLOY / "compose.env.example"),
        "-f",
        str(DEPLOY / "compose.yaml"),
        "config",
    ]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "compose.env.example" in done.stderr


def test_what_compose_mounts_is_there(tmp_path: Path) -> None:
    for name, service in composed(tmp_path)["services"].items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), (name, volume["source"])
                assert volume["read_only"]


def test_nothing_but_a_proxy_on_this_machine_reaches_the_services(tmp_path: Path) -> None:
    project = composed(tmp_path)
    ports = [port for service in project["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert not project["services"]["postgres"].get("ports")
    assert project["networks"]["database"]["internal"]


def test_no_secret_stands_in_what_compose_shows(tmp_path: Path) -> None:
    shown = composed(tmp_path)
    for name, service in shown["services"].items():
        service.get("environment", {}).pop("DATABASE_URL", None)
        for secret in ("PARLEY_KEYS", "PARLEY_METRICS_TOKEN", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD"):
            assert FILLED[secret] not in json.dumps(service), (name, secret)


def test_the_example_names_no_value_of_a_secret() -> None:
    text = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    named = dict(re.findall(r"^#?([A-Z_]+)=([^#\n]*)", text, re.MULTILINE))
    secret = {*config._SECRETS, "POSTGRES_PASSWORD", "GRAFANA_PASSWORD"} & named.keys()
    assert {"PARLEY_KEYS", "PARLEY_METRICS_TOKEN", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD"} <= secret
    assert {named[name].strip() for name in secret} == {""}


def test_every_secret_that_parley_knows_is_passed_on(tmp_path: Path) -> None:
    bot = composed(tmp_path)["services"]["bot"]["environment"]
    passed = {name.removesuffix("_FILE") for name in bot}
    assert set(config._SECRETS) - passed == set(), "name it under x-passed-on in deploy/compose.yaml"


def test_the_operators_settings_of_compose_reach_the_bot(tmp_path: Path, database_url: str) -> None:
    """The address of their pages and the limits of a day may be set beside the secrets."""
    limits = {f"PARLEY_LIMITS__{whose}__{what}" for whose in ("PERSON", "WORKSPACE") for what in ("MESSAGES", "TOKENS")}
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    addresses = {
        "PARLEY_ADMIN__URL": "https://chat.example.com",
        "PARLEY_CONSOLE__ALLOWED_ORIGINS": '["https://chat.example.com"]',
        "PARLEY_SERVER__TRUSTED_PROXIES": '["172.30.80.0/24"]',
    }
    named = limits | addresses.keys() | {"PARLEY_ADMIN_OIDC_SECRET"}
    assert named <= {*re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)}
    given_here = addresses | {name: str(n) for n, name in enumerate(limits, 7)}
    bot = composed(tmp_path, more=given_here)["services"]["bot"]["environment"]
    assert given_here.items() <= bot.items()


def test_the_gateway_is_believed_where_no_other_proxy_is_named(tmp_path: Path) -> None:
    bot = composed(tmp_path, more={"OUTSIDE_GATEWAY": "172.30.90.1"})["services"]["bot"]["environment"]
    assert json.loads(bot["PARLEY_SERVER__TRUSTED_PROXIES"]) == ["172.30.90.1/32"]


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.gpu.yaml")], ids=["", "gpu"])
def test_no_service_may_take_the_whole_machine_and_how_much_can_be_set(tmp_path: Path, files: tuple[str, ...]) -> None:
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    figures = dict(re.findall(r"^#(\w+_MEMORY|\w*PIDS)=(\w+)$", example, re.MULTILINE))
    profiles = {"COMPOSE_PROFILES": "gpu,vllm"}
    services = composed(tmp_path, more=profiles, files=files)["services"]
    for name, service in services.items():
        assert int(service["mem_limit"]) >= 2**30, name
        assert service["pids_limit"] >= 1024, name
    if len(files) == 1:
        said = composed(tmp_path, more=profiles | figures)["services"]
        assert said == services, "the example names other figures"
    other = composed(tmp_path, more=profiles | dict.fromkeys(figures, "3072"), files=files)["services"]
    assert {(service["mem_limit"], service["pids_limit"]) for service in other.values()} == {("3072", 3072)}


def test_the_model_server_is_asked_for_its_health_past_any_proxy(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        (_, _, option, program) = composed(tmp_path, more={"COMPOSE_PROFILES": "vllm"})["services"]["vllm"][
            "healthcheck"
        ]["test"]
        program = program.replace(":8000/health", f":{server.server_port}/")
        assert str(server.server_port) in program
        proxies = {"http_proxy": f"http://127.0.0.1:{free_port()}"}
        done = subprocess.run([sys.executable, option, program], env=proxies, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_bot_may_end_in_its_own_time(tmp_path: Path) -> None:
    shutdown = config.Settings().server.shutdown_seconds
    grace = re.fullmatch(r"(\d+)s", composed(tmp_path)["services"]["bot"]["stop_grace_period"])
    assert grace
    assert int(grace[1]) > shutdown
    for deployment in (item for item in manifests() if item["kind"] == "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pod["terminationGracePeriodSeconds"] > pause + shutdown


def given(environment: Mapping[str, str | None], folder: Path, database: str) -> dict[str, str]:
    """This environment in the image's, with the secrets' files and this test's database."""
    image = dict(re.findall(r"(PARLEY_\w+)=(\S+)", dict(stages()[-1])["ENV"]))
    found = {name: value for name, value in (image | dict(environment)).items() if value is not None}
    for name, place in {"PARLEY_KEYS_FILE": "PARLEY_KEYS", "PARLEY_METRICS_TOKEN_FILE": "PARLEY_METRICS_TOKEN"}.items():
        if name in found:
            found[name] = str(folder / place)
            Path(found[name]).write_text(FILLED[place])
    return found | {"DATABASE_URL": database, "PARLEY_DATA_DIR": str(folder), "PARLEY_SERVER__PORT": "0"}


async def checked(environment: Mapping[str, str], patch: pytest.MonkeyPatch) -> tuple[int, str]:
    """What `parley check --production` says in this environment: its status and its text."""
    for name in [name for name in os.environ if name.startswith("PARLEY_")]:
        patch.delenv(name)
    for name, value in environment.items():
        patch.setenv(name, value)
    screen = Console(file=StringIO(), width=250)
    status = await examine(config.load(HERE / "app.yaml", must_do=False), screen, production=True)
    return status, screen.file.getvalue()  # type: ignore[attr-defined]


def assert_nothing_is_missing(status: int, said: str) -> None:
    assert "✗" not in said.partition("\n")[2], said
    assert "Nothing is known to be missing." in said
    assert "sets nothing" not in said
    assert status == 0


def test_the_production_check_finds_nothing_missing_in_what_compose_starts(tmp_path: Path, database_url: str) -> None:
    bot = composed(tmp_path)["services"]["bot"]["environment"]
    assert bot["DATABASE_URL"] == "postgresql://parley:database-canary@postgres:5432/parley"
    environment = given(bot, tmp_path, database_url)
    environment |= {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "COLUMNS": "250"}
    command = [sys.executable, "-m", "bot", "check", "--production"]
    done = subprocess.run(command, env=environment, cwd=HERE, capture_output=True, text=True)
    assert_nothing_is_missing(done.returncode, done.stdout + done.stderr)


async def test_the_production_check_names_what_an_empty_example_leaves_out(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = composed(tmp_path, more={"PARLEY_CONSOLE__TOKENS": "{}"})["services"]["bot"]["environment"]
    status, said = await checked(given(bot | {"PARLEY_KEYS_FILE": None}, tmp_path, database_url), monkeypatch)
    assert status == 1
    assert "PARLEY_KEYS" in said
    assert "console.tokens" in said


async def test_the_production_check_finds_nothing_missing_with_a_vllm_server(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As vLLM lists what it serves.
    listed = {"id": "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "object": "model", "max_model_len": 8192}
    async with running(WireServer(models=[listed])) as server:
        more = {"COMPOSE_PROFILES": "vllm", "PARLEY_ENGINE__BACKEND": "remote", "PARLEY_ENGINE_KEY": "engine-canary"}
        project = composed(tmp_path, more=more | {"PARLEY_REMOTE__URLS": json.dumps([server.url])})
        bot, vllm = (project["services"][name]["environment"] for name in ("bot", "vllm"))
        assert bot["PARLEY_ENGINE_KEY"] == vllm["VLLM_API_KEY"] == "engine-canary"
        assert_nothing_is_missing(*await checked(given(bot, tmp_path, database_url), monkeypatch))


# --------------------------------------------------------------------------------------------------------- the watchmen


def test_prometheus_accepts_its_settings_and_every_rule_asks_a_job_that_is_scraped() -> None:
    settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {each["job_name"] for each in settings["scrape_configs"]}
    rules = (DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'\bjob="([^"]+)"', rules)) <= jobs
    assert settings["rule_files"] == ["rules.yml"]
    command = [tool("promtool"), "check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cluster_is_alerted_by_the_same_rules(tmp_path: Path) -> None:
    place, rules = KUBERNETES / "prometheusrule.yaml", DEPLOY / "prometheus/rules.yml"
    item = yaml.safe_load(place.read_text(encoding="utf-8"))
    assert item == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "parley"},
        "spec": yaml.safe_load(rules.read_text(encoding="utf-8")),
    }, "its head says how it is made anew"
    (spec := tmp_path / "spec.yml").write_text(yaml.safe_dump(item["spec"], allow_unicode=True), encoding="utf-8")
    done = subprocess.run([tool("promtool"), "check", "rules", str(spec)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_of_the_cluster_are_made_anew_as_their_head_says(tmp_path: Path) -> None:
    for name in ("kubernetes/prometheusrule.yaml", "prometheus/rules.yml"):
        (tmp_path / "deploy" / name).parent.mkdir(parents=True)
        shutil.copyfile(DEPLOY / name, tmp_path / "deploy" / name)
    made = tmp_path / "deploy/kubernetes/prometheusrule.yaml"
    command = "\n".join(re.findall(r"^#   (sed .+)$", made.read_text(encoding="utf-8"), re.MULTILINE))
    subprocess.run(["sh", "-euc", command], cwd=tmp_path, check=True)
    assert made.read_bytes() == (KUBERNETES / "prometheusrule.yaml").read_bytes()


def test_prometheus_asks_the_services_that_compose_starts(tmp_path: Path) -> None:
    project = composed(tmp_path, more={"COMPOSE_PROFILES": "gpu"})
    settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    for job in settings["scrape_configs"]:
        (asked,) = job["dns_sd_configs"]
        assert set(asked["names"]) <= project["services"].keys()
        assert all("watch" in project["services"][name]["networks"] for name in asked["names"])
    assert settings["scrape_configs"][0]["dns_sd_configs"][0]["port"] == config.Settings().server.metrics_port


def test_grafana_finds_the_dashboard_and_the_prometheus_beside_it(tmp_path: Path) -> None:
    project = composed(tmp_path)
    grafana = project["services"]["grafana"]
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/parley.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/parley.yaml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert f"{provider['options']['path']}/parley.json" in {each["target"] for each in grafana["volumes"]}
    dashboard = json.loads((DEPLOY / "grafana/parley.json").read_text(encoding="utf-8"))
    asked = {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel}
    assert asked <= {source["uid"], "${datasource}"}


# ---------------------------------------------------------------------------------------------------------- the cluster


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_knows_every_field(version: str) -> None:
    items = list(manifests())
    assert len(items) == 10
    for item in items:
        kubernetes_validate.validate(item, version, strict=True)


def test_the_colours_differ_in_nothing_but_their_name_and_who_begins() -> None:
    blue, green = ((KUBERNETES / f"{name}.yaml").read_text(encoding="utf-8") for name in ("blue", "green"))
    blue, green = (text[text.index("apiVersion") :] for text in (blue, green))
    assert green.replace("green", "blue").replace("replicas: 0", "replicas: 2") == blue


def test_everything_that_selects_pods_finds_some() -> None:
    items = list(manifests())
    pods = [item["spec"]["template"]["metadata"]["labels"] for item in items if item["kind"] == "Deployment"]
    for item in items:
        spec = item.get("spec", {})
        match item["kind"]:
            case "Service":
                wanted = [spec["selector"]]
            case "PodDisruptionBudget" | "Deployment":
                wanted = [spec["selector"]["matchLabels"]]
            case "NetworkPolicy":
                wanted = [spec["podSelector"]["matchLabels"]]
            case _:
                wanted = []
        for labels in wanted:
            assert any(labels.items() <= pod.items() for pod in pods), item["metadata"]["name"]


def test_every_pod_is_nobody_special_and_holds_to_its_share() -> None:
    for item in manifests():
        if item["kind"] not in ("Deployment", "Job"):
            continue
        pod = item["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert not pod["automountServiceAccountToken"]
        assert {"secretRef": {"name": "parley"}} in container["envFrom"]
        assert "env" not in container, "secrets come by reference"
    assert not any(item["kind"] == "Secret" for item in manifests())


async def test_the_production_check_finds_nothing_missing_in_what_the_cluster_starts(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings,) = (item["data"] for item in manifests() if item["kind"] == "ConfigMap")
    secret = {name: value for name, value in FILLED.items() if name.startswith("PARLEY_")}
    status, said = await checked(given(settings | secret, tmp_path, database_url), monkeypatch)
    assert_nothing_is_missing(status, said)
    assert "at https://chat.example.com/admin" in said


def test_the_ingress_of_the_cluster_is_believed_and_its_address_known(monkeypatch: pytest.MonkeyPatch) -> None:
    (data,) = (item["data"] for item in manifests() if item["kind"] == "ConfigMap")
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    settings = config.load(HERE / "app.yaml", must_do=False).settings
    assert settings.server.trusted_proxies
    host = {"Host": settings.console.allowed_hosts[0]}
    assert Places.of(settings).check("GET", "http", host).is_secure
    assert settings.console.allowed_origins == (settings.admin.url,) == (f"https://{host['Host']}",)


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[tuple[Cluster, str], None, None]:
    """What the first installation leaves, and its address."""
    tool("kubectl")
    kept = Cluster()
    with serving(kept) as url:
        done = switch(url, tmp_path, "install", "parley:0.1.0")
        assert done.returncode == 0, done.stdout + done.stderr
        kept.installed = list(kept.writes)
        kept.writes.clear()
        yield kept, url


def switch(url: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KUBECTL": f"kubectl --server={url} --kubeconfig=/dev/null",
        "TIMEOUT": "5",
    }
    return subprocess.run([SWITCH, *words], env=environment, capture_output=True, text=True)


def live(cluster: Cluster) -> str:
    colour: str = cluster.objects["/api/v1/namespaces/default/services/parley"]["spec"]["selector"]["colour"]
    return colour


def running_in(cluster: Cluster, colour: str) -> tuple[int, str]:
    spec = cluster.objects[f"/apis/apps/v1/namespaces/default/deployments/parley-{colour}"]["spec"]
    return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]


def test_a_release_migrates_then_starts_then_takes_over_and_can_go_back(
    cluster: tuple[Cluster, str], tmp_path: Path
) -> None:
    kept, url = cluster
    done = switch(url, tmp_path, "release", "parley:0.2.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (live(kept), running_in(kept, "green"), running_in(kept, "blue")) == (
        "green",
        (2, "parley:0.2.0"),
        (2, "parley:0.1.0"),
    )
    assert kept.writes[-4:] == [
        "POST jobs/parley-migrate",
        "PUT deployments/parley-green",
        "PATCH deployments/parley-green",
        "PATCH services/parley",
    ]

    assert switch(url, tmp_path, "back").returncode == 0
    assert (live(kept), running_in(kept, "blue")) == ("blue", (2, "parley:0.1.0"))
    assert switch(url, tmp_path, "finish").returncode == 0
    assert running_in(kept, "green") == (0, "parley:0.2.0")
    assert "* blue  2  parley:0.1.0" in switch(url, tmp_path, "status").stdout


def test_going_back_starts_again_what_had_ended(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    kept, url = cluster
    for words in (("release", "parley:0.2.0"), ("finish",), ("back",)):
        assert switch(url, tmp_path, *words).returncode == 0
    assert (live(kept), running_in(kept, "blue")) == ("blue", (2, "parley:0.1.0"))


def test_a_release_that_does_not_become_ready_changes_nothing_for_anybody(
    cluster: tuple[Cluster, str], tmp_path: Path
) -> None:
    kept, url = cluster
    kept.unready_images.add("parley:0.2.0")
    done = switch(url, tmp_path, "release", "parley:0.2.0")
    assert done.returncode == 1
    assert "nothing was switched" in done.stderr
    assert (live(kept), running_in(kept, "blue"), running_in(kept, "green")[0]) == ("blue", (2, "parley:0.1.0"), 0)
    assert "PATCH services/parley" not in kept.writes


def test_a_release_that_failed_is_nothing_to_go_back_to(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    """It stands in the colour that the release before had served from."""
    kept, url = cluster
    assert switch(url, tmp_path, "release", "parley:0.2.0").returncode == 0
    kept.unready_images.add("parley:0.3.0")
    assert switch(url, tmp_path, "release", "parley:0.3.0").returncode == 1
    kept.unready_images.clear()
    done = switch(url, tmp_path, "back")
    assert done.returncode == 1
    assert "nothing to go back to" in done.stderr
    assert (live(kept), running_in(kept, "green"), running_in(kept, "blue")[0]) == ("green", (2, "parley:0.2.0"), 0)


@pytest.mark.parametrize(
    "words", [("install", "parley:0.3.0"), ("release", "parley:0.3.0"), ("back",), ("finish",), ("status",)]
)
def test_nothing_is_done_where_it_is_not_known_which_colour_serves(
    cluster: tuple[Cluster, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    kept, url = cluster
    assert switch(url, tmp_path, "release", "parley:0.2.0").returncode == 0
    kept.writes.clear()
    kept.failing_reads.add("/services/parley")
    done = switch(url, tmp_path, *words)
    assert done.returncode == 1
    assert "✓" not in done.stdout
    assert kept.writes == []


def test_a_failed_migration_starts_no_process_of_the_release(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    kept, url = cluster
    kept.failing_images.add("parley:0.2.0")
    done = switch(url, tmp_path, "release", "parley:0.2.0")
    assert done.returncode == 1
    assert "kubectl logs job/parley-migrate" in done.stderr
    assert kept.writes == ["DELETE jobs/parley-migrate", "POST jobs/parley-migrate"]


def test_there_is_no_way_back_before_the_first_switch(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    kept, url = cluster
    done = switch(url, tmp_path, "back")
    assert done.returncode == 1
    assert "nothing to go back to" in done.stderr
    assert kept.writes == []


def test_the_first_installation_is_one_command_and_is_not_repeated(
    cluster: tuple[Cluster, str], tmp_path: Path
) -> None:
    kept, url = cluster
    assert (live(kept), running_in(kept, "blue"), running_in(kept, "green")) == (
        "blue",
        (2, "parley:0.1.0"),
        (0, "parley:0.1.0"),
    )
    made = {path.rpartition("/")[2] for path in kept.objects}
    assert made == {item["metadata"]["name"] for item in manifests()}
    assert kept.installed[-1] == "POST services/parley", "nobody reaches what is not ready"
    done = switch(url, tmp_path, "install", "parley:0.2.0")
    assert done.returncode == 1
    assert "switch.sh release" in done.stderr
    assert kept.writes == []


def test_an_installation_that_failed_is_called_again_and_succeeds(tmp_path: Path) -> None:
    tool("kubectl")
    kept = Cluster()
    kept.unready_images.add("parley:0.1.0")
    with serving(kept) as url:
        failed = switch(url, tmp_path, "install", "parley:0.1.0")
        assert failed.returncode == 1
        assert "blue did not become ready" in failed.stderr
        assert not any(path.endswith("/services/parley") for path in kept.objects), "nobody reaches it"
        assert switch(url, tmp_path, "install", "parley:0.1.1").returncode == 0
        assert (live(kept), running_in(kept, "blue"), running_in(kept, "green")) == (
            "blue",
            (2, "parley:0.1.1"),
            (0, "parley:0.1.1"),
        )
        assert switch(url, tmp_path, "release", "parley:0.2.0").returncode == 0
        assert (live(kept), running_in(kept, "green")) == ("green", (2, "parley:0.2.0"))


def test_the_unit_for_one_machine_is_one_systemd_takes_and_gives_time_to_drain(tmp_path: Path):
    text = (DEPLOY / "parley.service").read_text()
    (program := tmp_path / "parley").write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (unit := tmp_path / "parley.service").write_text(text.replace("/srv/parley/app/.venv/bin/parley", str(program)))
    verified = subprocess.run([tool("systemd-analyze"), "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    (files,) = re.findall(r"^LimitNOFILE=(\d+)$", text, re.MULTILINE)
    assert int(files) >= 65536, "each open page holds a connection"
    (patience,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(patience) > config.Settings().server.shutdown_seconds
