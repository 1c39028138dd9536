"""app.yaml and the environment: every fault names its place and the remedy."""

from pathlib import Path

import pytest
import yaml

from bot import config
from bot.config import Settings, load
from bot.texts import _TEXTS, say, speak
from core.errors import Misconfigured
from core.language import language_of


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in list(__import__("os").environ):
        if name.startswith(("PARLEY_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _file(tmp_path, text):
    path = tmp_path / "app.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _problem(path):
    with pytest.raises(Misconfigured) as caught:
        load(path)
    return caught.value.detail


def test_the_file_in_the_checkout_says_exactly_the_defaults():
    path = Path(config.__file__).parents[1] / "app.yaml"
    assert load(path).settings == Settings()
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(Settings.model_fields)


def test_every_setting_stands_in_the_file_with_its_name():
    values = yaml.safe_load((Path(config.__file__).parents[1] / "app.yaml").read_text(encoding="utf-8"))
    for name, field in Settings.model_fields.items():
        if fields := getattr(field.annotation, "model_fields", None):
            assert set(values[name]) == set(fields), name


def test_without_a_file_the_defaults_apply():
    loaded = load()
    assert loaded.file is None
    assert loaded.settings.server.port == 8080


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PARLEY_SERVER__PORT", "9001")
    loaded = load(_file(tmp_path, "server:\n  port: 9000\n  host: 127.0.0.2\n"))
    assert (loaded.settings.server.port, loaded.settings.server.host) == (9001, "127.0.0.2")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("server:\n  prot: 1\n", 2, "Did you mean `port`?"),
        ("servers:\n  port: 1\n", 1, "Did you mean `server`?"),
        ("log:\n  zzz: 1\n", 2, "Here one can set: level, format."),
        ("server:\n\n  port: eighty\n", 3, "must be a whole number"),
        ("server:\n  port: 70000\n", 2, "must be 65535 or less"),
        ("answers:\n  temperature: -1\n", 2, "must be 0 or more"),
        ("production: perhaps\n", 1, "true or false"),
        ("log:\n  level: loud\n", 2, "one of"),
        ("server: 8080\n", 1, "section"),
        ("database:\n  url: postgresql://x\n", 2, "Secrets do not stand in app.yaml"),
        ("console:\n  tokens:\n    ops: abc\n", 3, "`parley token ops`"),
        ("access:\n  slack:\n    admin: []\n", 3, "Did you mean `admins`?"),
        ("server:\n  port: 1\n  port: 2\n", 3, "set twice, on lines 2 and 3"),
        ("server: {port: 1, port: 2}\n", 1, "set twice, on lines 1 and 1"),
        ("slack:\n  client_id: 123.456\n", 2, "must be text: put it in quotes"),
        ("slack:\n  client_id:\n", 2, "must be a text that is not empty"),
        ("slack:\n  public_url: https://p.example.com/channels/slack/\n", 2, "alone: https://p.example.com. Parley"),
        ("slack:\n  public_url: https://p.example.com/channels/slack/oauth\n", 2, "alone: https://p.example.com. P"),
        ("server:\n port: 1\n  host: x\n", 3, "not valid YAML"),
        ("server:\n  8080: x\n", 2, "names are words"),
        ("console:\n  allowed_hosts: chat.example.com\n", 2, "must be a list"),
        ("engine:\n  quantisation: 4bit\n", 2, "must be one of 'none', 'nf4' or 'int8'"),
        ("engine:\n  step_seconds: 0\n", 2, "must be more than 0"),
        ("engine:\n  kept_mb: lots\n", 2, "must be a whole number"),
        ("engine:\n  backend: cluster\n", 2, "'local', 'remote' or 'echo'"),
        ("remote:\n  url: [http://gpu-1:8000/v1]\n", 2, "Did you mean `urls`?"),
        ("remote:\n  urls: http://gpu-1:8000/v1\n", 2, "must be a list"),
        ("remote:\n  urls: [gpu-1:8000]\n", 2, "such as http://gpu-1:8000/v1"),
        ("remote:\n  api_key: sk\n", 2, "PARLEY_ENGINE_KEY"),
        ("engine:\n  device: gpu\n", 2, "must be auto, cpu, mps, cuda"),
        ("data_dir: 5\n", 1, "path of a folder"),
        ("admin:\n  url: chat.example.com\n", 2, "lacks https:// in front"),
        ("admin:\n  url: http://chat.example.com\n", 2, "https"),
        ("admin:\n  url: https://chat.example.com/admin\n", 2, "must go without a path"),
        ("admin:\n  idle_minute: 5\n", 2, "Did you mean `idle_minutes`?"),
        ("admin:\n  oidc:\n    issuer: http://login.example.com\n", 3, "https"),
        ("admin:\n  oidc:\n    roles: {ops: [king]}\n", 3, "'viewer', 'operator' or 'reader'"),
        ("admin:\n  oidc:\n    secret: x\n", 3, "PARLEY_ADMIN_OIDC_SECRET"),
    ],
)
def test_a_fault_names_its_line_and_the_remedy(tmp_path, text, line, words):
    path = _file(tmp_path, text)
    problem = _problem(path)
    assert f"{path}:{line}" in problem or "tokens" in problem
    assert words in problem


def test_all_faults_are_told_at_once(tmp_path):
    problem = _problem(_file(tmp_path, "server:\n  prot: 1\nlog:\n  level: loud\n"))
    assert len(problem.splitlines()) == 2


def test_a_fault_in_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("PARLEY_SERVER__PORT", "eighty")
    with pytest.raises(Misconfigured) as caught:
        load()
    assert "PARLEY_SERVER__PORT" in caught.value.detail


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert "cannot be read" in _problem(tmp_path / "nowhere.yaml")
    assert "not valid YAML" in _problem(_file(tmp_path, "- a\n- b\n"))


def test_a_secret_may_come_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "url").write_text("postgresql://x/y\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    loaded = load()
    assert loaded.secrets.database_url == "postgresql://x/y"
    assert "postgresql" not in repr(loaded)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "gone"))
    with pytest.raises(Misconfigured, match="DATABASE_URL_FILE"):
        load()


def test_a_space_that_was_copied_with_a_secret_is_no_part_of_it(monkeypatch):
    monkeypatch.setenv("PARLEY_WECOM_APP_TOKEN", " Token1\n")
    monkeypatch.setenv("PARLEY_WECOM_BOT_TOKEN", " ")
    assert load().secrets.wecom_app_token == "Token1"
    assert load().secrets.wecom_bot_token is None


def test_production_refuses_to_start_without_a_key_and_a_database(tmp_path, monkeypatch):
    path = _file(tmp_path, "production: true\n")
    problem = _problem(path)
    assert "PARLEY_KEYS" in problem
    assert "DATABASE_URL" in problem
    monkeypatch.setenv("PARLEY_KEYS", "1:x")
    monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
    assert load(path).settings.production


def test_a_remote_engine_needs_a_server(tmp_path, monkeypatch):
    path = _file(tmp_path, "engine:\n  backend: remote\n")
    assert "remote.urls" in _problem(path)
    monkeypatch.setenv("PARLEY_REMOTE__URLS", '["http://gpu-1:8000/v1", "https://gpu-2/v1"]')
    assert load(path).settings.remote.urls == ("http://gpu-1:8000/v1", "https://gpu-2/v1")


def test_a_password_in_a_servers_address_is_refused_and_not_repeated(tmp_path):
    problem = _problem(_file(tmp_path, "remote:\n  urls: ['http://me:hunter2@gpu-1:8000/v1']\n"))
    assert "gpu-1:8000/v1 does not have that form" in problem
    assert "hunter2" not in problem


def test_the_key_for_the_servers_is_a_secret(monkeypatch):
    monkeypatch.setenv("PARLEY_ENGINE_KEY", "sk-hidden")
    loaded = load()
    assert loaded.secrets.engine_key == "sk-hidden"
    assert "hidden" not in repr(loaded)
    assert config.unknown_variables() == ()


def test_a_door_open_to_others_needs_tokens(tmp_path):
    assert "console.tokens" in _problem(_file(tmp_path, "server:\n  host: 0.0.0.0\n"))
    load(_file(tmp_path, f"server:\n  host: 0.0.0.0\nconsole:\n  tokens:\n    ops: {'a' * 64}\n"))
    assert "metrics" in _problem(_file(tmp_path, "server:\n  metrics_host: 0.0.0.0\n"))


@pytest.mark.parametrize(
    "setting", ["allowed_hosts: [chat.example.com]", "allowed_origins: ['https://chat.example.com']"]
)
def test_a_name_a_proxy_would_serve_needs_tokens(tmp_path, setting):
    assert "chat.example.com would let others reach" in _problem(_file(tmp_path, f"console:\n  {setting}\n"))
    load(_file(tmp_path, f"console:\n  {setting}\n  tokens:\n    ops: {'a' * 64}\n"))
    load(_file(tmp_path, "console:\n  allowed_hosts: ['127.0.0.2', '[::1]:8080', localhost]\n"))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("allowed_origins: ['https://chat.example.com/']", "without a path"),
        ("allowed_origins: [chat.example.com]", "without a path"),
        ("allowed_hosts: ['https://chat.example.com']", "must hold host names"),
    ],
)
def test_a_name_that_could_never_match_is_refused(tmp_path, setting, words):
    assert words in _problem(_file(tmp_path, f"console:\n  {setting}\n"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARLEY_CONSOLE__ALLOWED_HOSTS", "chat.example.com"),
        ("PARLEY_CONSOLE__TOKENS", "{bad"),
        ("PARLEY_SERVER", "abc"),
        ("PARLEY_ACCESS", "slack"),
    ],
)
def test_a_variable_that_should_hold_json_is_named(monkeypatch, name, value):
    monkeypatch.setenv("PARLEY_SERVER__HOST", "127.0.0.1")
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as caught:
        load()
    assert caught.value.detail.startswith(f"{name}: ")
    assert "written as JSON" in caught.value.detail


def test_lists_and_maps_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("PARLEY_CONSOLE__ALLOWED_HOSTS", '["Chat.example.com"]')
    monkeypatch.setenv("PARLEY_CONSOLE__TOKENS", f'{{"ops": "{"a" * 64}"}}')
    assert load().settings.console.allowed_hosts == ("chat.example.com",)


def test_misspelt_variables_are_noticed(monkeypatch):
    monkeypatch.setenv("PARLEY_SEVER__PORT", "1")
    monkeypatch.setenv("PARLEY_SERVER__PORT", "1")
    assert config.unknown_variables() == ("PARLEY_SEVER__PORT",)


@pytest.mark.parametrize("name", sorted(_TEXTS))
def test_every_text_exists_in_both_languages_with_the_same_facts(name):
    from string import Formatter

    english, chinese = _TEXTS[name]
    facts = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in (english, chinese)]
    assert facts[0] == facts[1]
    assert "{" in chinese or language_of(chinese) == "zh"


def test_the_operator_is_spoken_to_in_their_language():
    try:
        speak("zh")
        assert language_of(say("config_int")) == "zh"
    finally:
        speak("en")
    assert say("config_int", language="zh") != say("config_int")


@pytest.mark.parametrize(
    ("oidc", "url", "words"),
    [
        ({"issuer": "https://login.example.com"}, "https://chat.example.com", "admin.oidc.client_id or admin.url"),
        ({"issuer": "https://login.example.com", "client_id": "parley"}, "", "admin.oidc.client_id or admin.url"),
        (
            {"issuer": "https://login.example.com", "client_id": "parley"},
            "https://chat.example.com",
            "admin.oidc.roles names no group",
        ),
    ],
)
def test_a_sign_in_that_would_let_nobody_in_is_told(tmp_path, oidc, url, words):
    assert words in _problem(_file(tmp_path, yaml.safe_dump({"admin": {"url": url, "oidc": oidc}})))
