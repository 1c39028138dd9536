"""What `parley check` says of the certificate, of proxies and of reports of errors."""

import io
import json
import re

import pytest
from rich.console import Console

from bench.process import free_port
from bot import config
from bot.check import examine
from core.errors import Misconfigured
from tests.certificates import make_pair


@pytest.fixture
def place(monkeypatch, tmp_path):
    """An empty folder to run in, with a model that needs no loading."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_ENGINE__BACKEND", "echo")
    monkeypatch.setenv("PARLEY_SERVER__PORT", str(free_port()))
    return tmp_path


async def checked(*, production: bool = False) -> tuple[int, str]:
    page = io.StringIO()
    status = await examine(config.load(must_do=False), Console(file=page, width=500), production=production)
    return status, page.getvalue()


def use(monkeypatch, certificate, key) -> None:
    monkeypatch.setenv("PARLEY_SERVER__TLS", json.dumps({"certificate": str(certificate), "key": str(key)}))


@pytest.mark.parametrize(
    ("until", "mark", "sentence"),
    [
        (90, "✓", "TLS 1.3 for parley.example, valid until"),
        (14.5, "✓", "TLS 1.3 for parley.example, valid until"),
        (13.5, "•", "The certificate for parley.example is valid until"),
        (-0.5, "✗", "server.crt has expired: renew it"),
    ],
)
async def test_an_end_that_is_near_is_a_hint_and_one_that_has_come_a_fault(place, monkeypatch, until, mark, sentence):
    use(monkeypatch, *make_pair(place, "parley.example", since=-9, until=until))
    status, page = await checked()
    assert status == (mark == "✗")
    (line,) = [line for line in page.splitlines() if "transport" in line]
    assert line.startswith(mark)
    assert sentence in line


async def test_a_key_of_another_certificate_is_a_fault(place, monkeypatch):
    (certificate, _), (_, key) = make_pair(place / "a", "a.example"), make_pair(place / "b", "b.example")
    use(monkeypatch, certificate, key)
    status, page = await checked()
    assert status == 1
    assert f"{key} is not the key of {certificate}" in page


async def test_a_key_that_everybody_can_read_is_a_hint(place, monkeypatch):
    certificate, key = make_pair(place, "parley.example")
    key.chmod(0o644)
    use(monkeypatch, certificate, key)
    status, page = await checked()
    assert status == 0
    assert f"chmod o= {key}" in page


async def test_paths_are_relative_to_the_file_of_settings(place, monkeypatch):
    make_pair(place / "etc", "parley.example")
    (place / "etc" / "app.yaml").write_text("server: {tls: {certificate: server.crt, key: server.key}}\n")
    loaded = config.load(place / "etc" / "app.yaml")
    assert loaded.pair == (place / "etc" / "server.crt", place / "etc" / "server.key")


async def test_plain_http_is_fine_on_this_machine_and_behind_a_proxy_and_a_hint_elsewhere(place, monkeypatch):
    assert "plain HTTP, which does not leave this machine" in (await checked())[1]
    monkeypatch.setenv("PARLEY_SERVER__HOST", "0.0.0.0")
    assert "• transport" in " ".join((await checked())[1].split())
    monkeypatch.setenv("PARLEY_SERVER__TRUSTED_PROXIES", '["10.0.0.0/24", "fd00::/8"]')
    assert "behind proxies in 10.0.0.0/24, fd00::/8" in (await checked())[1]


@pytest.mark.parametrize("name", ["10.0.0.1/24", "proxy", "10.0.0/24"])
def test_what_is_no_network_is_said(place, monkeypatch, name):
    monkeypatch.setenv("PARLEY_SERVER__TRUSTED_PROXIES", json.dumps([name]))
    with pytest.raises(Misconfigured, match=f"{name} is neither"):
        config.load()


def test_a_certificate_without_its_key_is_said(place, monkeypatch):
    monkeypatch.setenv("PARLEY_SERVER__TLS__CERTIFICATE", "server.crt")
    with pytest.raises(Misconfigured, match="needs both"):
        config.load()


async def test_where_the_operators_pages_are_is_said_and_that_a_proxy_hides_them(place, monkeypatch):
    said = (await checked())[1]
    assert re.search(r"✓ +operator's pages +at http://127.0.0.1:\d+/admin; `parley admin list`", said)
    monkeypatch.setenv("PARLEY_SERVER__TRUSTED_PROXIES", '["10.0.0.0/24"]')
    assert re.search("• +operator's pages +nobody reaches them but on this machine", (await checked())[1])
    monkeypatch.setenv("PARLEY_ADMIN__URL", "https://chat.example.com")
    assert re.search("✓ +operator's pages +at https://chat.example.com/admin", (await checked())[1])
    monkeypatch.setenv("PARLEY_ADMIN__ENABLED", "false")
    assert re.search("• +operator's pages +off", (await checked())[1])


@pytest.mark.parametrize("named", ["PARLEY_ADMIN__URL", "PARLEY_CONSOLE__ALLOWED_HOSTS", ""])
async def test_pages_that_others_reach_over_plain_http_are_a_fault_in_production(place, monkeypatch, named):
    url, hosts = "https://chat.example.com", '["chat.example.com"]'
    monkeypatch.setenv("PARLEY_SERVER__HOST", "0.0.0.0")
    monkeypatch.setenv("PARLEY_CONSOLE__TOKENS", json.dumps({"ada": "0" * 64}))
    if named:
        monkeypatch.setenv(named, url if named.endswith("URL") else hosts)
    said = (await checked(production=True))[1]
    (line,) = [line for line in said.splitlines() if "operator's pages" in line]
    assert line.startswith("✗")
    assert 'PARLEY_SERVER__TRUSTED_PROXIES=["10.0.0.0/24"]' in line
    assert re.search("• +operator's pages +0.0.0.0 is reached", (await checked())[1])
    monkeypatch.setenv("PARLEY_SERVER__TRUSTED_PROXIES", '["10.0.0.0/24"]')
    where = f"at {url}/admin" if named else "nobody reaches them but on this machine"
    assert re.search(f"[✓•] +operator's pages +{where}", (await checked(production=True))[1])


@pytest.mark.parametrize("way", ["tls", "here", "off"])
async def test_pages_that_nobody_can_listen_to_are_none(place, monkeypatch, way):
    monkeypatch.setenv("PARLEY_SERVER__HOST", "127.0.0.1" if way == "here" else "0.0.0.0")
    if way == "tls":
        use(monkeypatch, *make_pair(place, "parley.example"))
    monkeypatch.setenv("PARLEY_ADMIN__ENABLED", "false" if way == "off" else "true")
    said = (await checked(production=True))[1]
    assert re.search(("• +operator's pages +off" if way == "off" else "✓ +operator's pages +at http"), said)


async def test_where_errors_go_is_told_and_the_key_is_not(place, monkeypatch):
    assert "PARLEY_SENTRY_DSN names a Sentry project" in (await checked())[1]
    monkeypatch.setenv("PARLEY_SENTRY_DSN", "https://0123abcd@sentry.example.com/7")
    _, page = await checked()
    assert "go to sentry.example.com, without anybody's words" in page
    assert "0123abcd" not in page


async def test_an_address_of_no_project_is_a_fault(place, monkeypatch):
    monkeypatch.setenv("PARLEY_SENTRY_DSN", "sentry.example.com")
    status, page = await checked()
    assert status == 1
    assert "PARLEY_SENTRY_DSN is no address of a Sentry project" in page


async def test_everything_is_said_in_chinese_as_well(place, monkeypatch):
    use(monkeypatch, *make_pair(place, "parley.example", until=3))
    monkeypatch.setattr("bot.texts._speaking", "zh")
    _, page = await checked()
    assert "parley.example 的证书有效期仅到" in page
    assert "不发送到任何地方" in page


async def test_plain_pages_are_a_fault_in_chinese_as_well(place, monkeypatch):
    monkeypatch.setenv("PARLEY_SERVER__HOST", "0.0.0.0")
    monkeypatch.setattr("bot.texts._speaking", "zh")
    assert re.search("✗ +运维页面 +其他机器可以访问 0.0.0.0", (await checked(production=True))[1])
