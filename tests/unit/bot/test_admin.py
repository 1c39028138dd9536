"""The frame of the operator's pages: roles, places, passwords, tokens, texts, and what is drawn."""

import re
import string
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from xml.etree import ElementTree

import pytest

import bot.admin
from bot.admin import audit_log, pages, plot, sessions
from bot.admin.password import LEAST, Judge, hashed, make_password
from bot.admin.place import Places, Unwelcome
from bot.admin.roles import Role, roles_of
from bot.admin.routes import ACTIONS, PAGES, own_path
from bot.admin.sign_in import brakes_of, neighbourhood
from bot.admin.texts import SHARED, say
from bot.config import Settings

SAME = {"name", "other_language", "tokens"}
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        ((), set()),
        (("viewer",), {Role.VIEWER}),
        (("operator",), {Role.OPERATOR, Role.VIEWER}),
        (("reader",), {Role.READER, Role.VIEWER}),
        (("operator", "reader"), {Role.OPERATOR, Role.READER, Role.VIEWER}),
        (("a role of another release",), set()),
        (("OPERATOR",), set()),
    ],
)
def test_operator_and_reader_see_what_a_viewer_does_and_not_what_the_other_may(names, roles):
    assert roles_of(names) == roles


# -------------------------------------------------------------------------------------------------------- the words


def texts() -> dict[str, dict[str, tuple[str, str]]]:
    """All texts of all modules of the pages, by module."""
    found = {"shared": dict(SHARED)}
    for module in iter_modules(bot.admin.__path__, "bot.admin."):
        if own := getattr(import_module(module.name), "TEXTS", None):
            found[module.name] = dict(own)
    return found


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("module", sorted(texts()))
def test_every_text_is_there_in_both_languages_with_the_same_facts(module):
    for name, (english, chinese) in texts()[module].items():
        assert english, name
        assert chinese, name
        assert fields(english) == fields(chinese), name
        words = re.sub(r"{\w+}|Token", "", english)  # one that is said in English there, too
        if re.search("[a-z]{3}", words) and name not in SAME:
            assert re.search("[\u4e00-\u9fff]", chinese) or english == chinese, f"{name}: {chinese}"


def test_a_text_of_the_page_comes_before_a_shared_one_and_braces_stay_where_there_are_no_facts():
    assert say("none", "en", {"none": ("No {such} thing.", "没有。")}) == "No {such} thing."
    assert say("none", "zh") == SHARED["none"][1]
    assert say("signed_in_as", "en", name="{ann}") == "Signed in as {ann}"


def test_every_page_has_an_address_and_a_name_of_its_own_and_a_title():
    paths = [page.path for page in PAGES] + [action.path for action in ACTIONS]
    names = [page.name for page in PAGES]
    assert len(set(names)) == len(names)
    assert all(path.startswith("/admin/") for path in paths)
    assert len({page.path for page in PAGES}) == len(PAGES)
    for page in PAGES:
        if "nav" in page.texts:
            assert "title" in page.texts, page.name


def test_every_kind_of_line_in_the_audit_log_has_a_name():
    for kind, actions in audit_log.KINDS.items():
        assert f"kind_{kind}" in audit_log.TEXTS
        for action in actions:
            assert f"action_{action}" in audit_log.TEXTS


# ------------------------------------------------------------------------------------------------------ where it is


def places(**settings: object) -> Places:
    return Places.of(Settings.model_validate(settings))


PUBLIC = {"admin": {"url": "https://chat.example.com"}}


@pytest.mark.parametrize(
    ("settings", "scheme", "host", "origin"),
    [
        ({}, "http", "127.0.0.1:8080", "http://127.0.0.1:8080"),
        ({}, "http", "LOCALHOST:8080", "http://localhost:8080"),
        ({}, "http", "[::1]:8080", "http://[::1]:8080"),
        (PUBLIC, "http", "chat.example.com", "https://chat.example.com"),
        (PUBLIC, "https", "Chat.Example.com", "https://chat.example.com"),
        ({"admin": {"url": "https://chat.example.com:443"}}, "http", "chat.example.com", "https://chat.example.com"),
        ({"console": {"allowed_hosts": ["chat.example.com"]}}, "https", "chat.example.com", "https://chat.example.com"),
        ({"console": {"allowed_origins": ["https://a.example"]}}, "http", "a.example", "https://a.example"),
    ],
)
def test_pages_are_shown_where_nobody_listens_in(settings, scheme, host, origin):
    assert places(**settings).check("GET", scheme, {"Host": host}).origin == origin


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        ({}, "", 421),
        ({}, "evil.example", 421),
        ({}, "127.0.0.1.evil.example", 421),
        (PUBLIC, "chat.example.com.evil.example", 421),
        (PUBLIC, "chat.example.com:8443", 421),
        ({"console": {"allowed_hosts": ["chat.example.com"]}}, "chat.example.com", 403),
        ({"server": {"host": "192.0.2.7"}}, "192.0.2.7:8080", 403),
    ],
)
def test_pages_are_shown_under_no_other_name_and_to_nobody_who_may_be_overheard(settings, host, status):
    with pytest.raises(Unwelcome) as refused:
        places(**settings).check("GET", "http", {"Host": host})
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"Origin": "http://127.0.0.1:8080"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:8081"}, False),
        ({"Origin": "https://127.0.0.1:8080"}, False),
        ({"Origin": "http://127.0.0.1:8080.evil.example"}, False),
        ({"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
    ],
    ids=str,
)
def test_what_changes_something_comes_from_a_page_of_ours(headers, is_ours):
    given = {"Host": "127.0.0.1:8080", **headers}
    if is_ours:
        assert places().check("POST", "http", given).port == 8080
    else:
        with pytest.raises(Unwelcome, match="bad_origin"):
            places().check("POST", "http", given)


@pytest.mark.parametrize("path", ["/admin/health", "/admin/audit?kind=people&before=7", "/admin/x/%E4%BD%A0"])
def test_one_goes_on_to_where_one_wanted(path):
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//evil.example/admin/",
        "https://evil.example/admin/",
        "/admin//evil.example",
        "/admin/../x",
        "/admin/\\evil.example",
        "/admin/x\r\nSet-Cookie: y",
        "/admin/sign-in?to=/admin/sign-in",
        "/admin/oidc?code=x",
        "/administrator",
        "/admin/你",
        "/admin/" + "x" * 3000,
    ],
)
def test_and_nowhere_else(path):
    assert own_path(path) == "/admin"


# ------------------------------------------------------------------------------------------- passwords and tokens


async def test_a_password_is_kept_so_that_it_can_be_compared_and_not_read():
    kept = hashed("correct horse battery", n=2**4)
    assert "correct" not in kept
    assert kept != hashed("correct horse battery", n=2**4)
    judge = Judge()
    assert await judge.is_right("correct horse battery", kept)
    for wrong in ("", "correct horse battery ", "CORRECT HORSE BATTERY", "x" * 5000):
        assert not await judge.is_right(wrong, kept)


async def test_nobody_has_no_password_that_is_right():
    assert not await Judge().is_right("", None)


async def test_however_a_keyboard_composes_it_a_password_is_the_same():
    assert await Judge().is_right("e\u0301cole de nuit", hashed("\u00e9cole de nuit", n=2**4))


def test_a_password_that_is_made_is_long_and_never_the_same():
    made = {make_password() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) > LEAST for password in made)


def test_hashing_costs_what_is_recommended():
    _, n, r, p, salt, _ = hashed("a long enough password").split("$")
    assert (int(n), int(r), int(p)) == (2**15, 8, 3)
    assert len(salt) == 24


def test_names_are_braked_alone_together_with_where_they_come_from_and_in_any_case():
    assert brakes_of("Ann", "192.0.2.7") == brakes_of("ann", "192.0.2.7")
    near, name, there = brakes_of("ann", "192.0.2.7")
    assert near.key not in {brake.key for brake in brakes_of("ann", "192.0.2.8")}
    assert name in brakes_of("ann", "192.0.2.8")
    assert there in brakes_of("bob", "192.0.2.7")
    assert name.longest <= timedelta(minutes=1)  # nobody is locked out for long by others


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8:0:0:ffff::7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("", "unix:")],
)
def test_an_address_is_taken_as_one_household(one, other):
    assert neighbourhood(one) == neighbourhood(other)
    assert neighbourhood("2001:db8::1") != neighbourhood("2001:db8:0:1::1")


def test_the_token_of_forms_belongs_to_the_session_and_tells_nothing_of_it():
    one, two = sessions.new_token(), sessions.new_token()
    assert one != two
    assert sessions.csrf_of(one) == sessions.csrf_of(one) != sessions.csrf_of(two)
    assert one not in sessions.csrf_of(one)


def test_a_note_in_the_browser_is_believed_while_it_is_ours_and_fresh():
    note = sessions.Note(b"a secret")
    value = note.write({"state": "x"}, timedelta(minutes=1))
    read = note.read(value)
    assert read is not None
    assert read["state"] == "x"
    assert note.read(note.write({"state": "x"}, timedelta(minutes=-1))) is None
    assert sessions.Note(b"another").read(value) is None
    for changed in ("", ".", value[:-1], "x" + value, "你." + value):
        assert note.read(changed) is None


# ------------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    ("length", "english", "chinese"),
    [
        (0.0354, "35 ms", "35 毫秒"),
        (1.44, "1.4 s", "1.4 秒"),
        (59, "59 s", "59 秒"),
        (timedelta(minutes=12, seconds=50), "12 min", "12 分钟"),
        (timedelta(hours=3), "3 h", "3 小时"),
        (timedelta(hours=3, minutes=4), "3 h 4 min", "3 小时 4 分钟"),
        (timedelta(days=3, hours=4), "3 d 4 h", "3 天 4 小时"),
        (None, "–", "–"),
    ],
)
def test_spans_are_written_as_one_says_them(length, english, chinese):
    for language, said in (("en", english), ("zh", chinese)):
        assert pages.span(length, t=lambda name, language=language, **facts: say(name, language, **facts)) == said


def test_numbers_and_sizes_are_written_as_one_reads_them():
    assert (pages.number(1234567), pages.number(0.5, 2), pages.number(None)) == ("1,234,567", "0.50", "–")
    assert (pages.size(12), pages.size(3 * 2**20), pages.percent(0.125)) == ("12 B", "3.0 MiB", "12.5 %")


def drawn(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)


def series(*values: float | None, name: str = "P50") -> plot.Series:
    return plot.Series(name, [(BEGIN + timedelta(hours=n), value) for n, value in enumerate(values)])


def line_plot(*given: plot.Series, title: str = "Latency") -> str:
    return plot.lines(given, title=title, x_label="UTC", y_label="seconds", none="Nothing.")


def test_a_plot_is_a_figure_that_says_what_it_shows_and_has_no_style_of_its_own():
    markup = line_plot(series(1, 2, 0.5), series(2, 4, 3, name="P99"), title="<Latency>")
    figure = drawn(markup)
    assert (figure.tag, figure.get("class")) == ("figure", "plot")
    assert "<Latency>" in "".join(figure.find("figcaption").itertext())  # type: ignore[union-attr]
    images = [svg for svg in figure.findall("svg") if svg.get("role") == "img"]
    assert [svg.get("class") for svg in images] == ["wide", "narrow"]
    assert all(svg.get("aria-label") == "<Latency>. P50: 0.5 – 2, 0.5; P99: 2 – 4, 3" for svg in images)
    assert "style=" not in markup
    labels = ["".join(text.itertext()) for text in images[0].iter("text")]
    assert {"seconds", "UTC", "0", "4"} <= set(labels)


def test_a_gap_in_the_values_is_a_gap_in_the_line_and_a_single_value_a_dot():
    images = drawn(line_plot(series(1, 2, None, 3, None, 2, 2))).findall("svg")
    assert len(images[0].findall("polyline")) == 2
    assert len(images[0].findall("circle")) == 1


def test_what_is_drawn_stays_within_its_frame():
    for values in ([0.0], [0.0, 0.0], [7], [1e-9, 2e9], [None, 3, None]):
        for image in drawn(line_plot(series(*values))).findall("svg"):
            _, _, width, height = map(float, (image.get("viewBox") or "").split())
            for line in image.findall("polyline"):
                for point in (line.get("points") or "").split():
                    x, y = map(float, point.split(","))
                    assert 0 <= x <= width
                    assert 0 <= y <= height


def test_where_nothing_is_known_the_plot_says_so():
    for given in ([], [series()], [series(None, None)]):
        markup = line_plot(*given)
        assert "Nothing." in markup
        assert "<svg" not in markup
    assert "Nothing." in plot.bars([plot.Bar("Mon", [0])], title="x", x_label="x", y_label="y", none="Nothing.")


def test_bars_stand_upon_each_other_from_the_ground():
    markup = plot.bars(
        [plot.Bar("Mon", [1, 3]), plot.Bar("<Tue>", [2, 0])],
        title="Answers",
        x_label="day",
        y_label="answers",
        none="Nothing.",
        names=("good", "bad"),
    )
    image = drawn(markup).findall("svg")[0]
    first, second = [rect for rect in image.findall("rect") if rect.get("class") in ("f1", "f2")][:2]
    assert float(second.get("height", 0)) == pytest.approx(3 * float(first.get("height", 0)), abs=0.2)
    ends = float(second.get("y", 0)) + float(second.get("height", 0))
    assert ends == pytest.approx(float(first.get("y", 0)), abs=0.2)
    assert "<Tue>" in ["".join(text.itertext()) for text in image.iter("text")]


@pytest.mark.parametrize("days", [0.01, 0.2, 1, 3, 30, 400])
def test_there_are_a_few_moments_on_the_axis_however_long_it_is(days):
    points = [(BEGIN, 1.0), (BEGIN + timedelta(days=days), 2.0)]
    image = drawn(line_plot(plot.Series("x", points))).findall("svg")[0]
    moments = [text for text in image.iter("text") if re.fullmatch(r"\d\d[:-]\d\d", "".join(text.itertext()))]
    assert 1 <= len(moments) <= 8
