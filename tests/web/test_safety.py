"""Each line of the threat model, attacked: what a foreign page, a stolen link or a forged folder may try."""

import shutil

import pytest
from asking import Asking, a_study

from passo.web.guard import POLICY
from passo.web.keys import Keys

SCRIPT = "<img src=x onerror=alert(1)>"


# ── Who may ask ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""]
)
def test_another_name_that_points_here_is_refused_even_with_the_cookie(page: Asking, host: str):
    assert page.get("/", host=host).status in (400, 421)
    assert "first" not in page.get("/", host=host).text


def test_both_own_names_are_answered(page: Asking):
    for host in (f"127.0.0.1:{page.port}", f"localhost:{page.port}", f"LOCALHOST:{page.port}"):
        assert page.get("/", host=host).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs",
        "/study/first",
        "/study/first/live",
        "/static/ui.css",
        "/study/first/run/adam-s0/series?metric=train/loss",
    ],
)
def test_without_the_cookie_nothing_is_told(outside: Asking, path: str):
    answer = outside.get(path)
    assert answer.status == 401
    assert "first" not in answer.text and "adam" not in answer.text and str(outside.lab.root) not in answer.text


def test_a_link_opens_one_session_and_is_worth_nothing_then(outside: Asking):
    address = f"/?token={outside.lab.keys.token}"
    first = outside.get(address)
    assert first.status == 200 and "httponly" in first.headers["set-cookie"].lower()
    assert "samesite=strict" in first.headers["set-cookie"].lower()
    stolen = outside.get(address)
    assert stolen.status == 401 and "set-cookie" not in stolen.headers


@pytest.mark.parametrize("cookie", ["passo=", "passo=wrong", "passo=é", "other=1", "passo"])
def test_a_forged_cookie_opens_nothing(outside: Asking, cookie: str):
    assert outside.get("/", cookie=cookie.encode().decode("latin-1")).status == 401


def test_keys_are_not_each_other():
    keys = Keys("token")
    session = keys.exchanged("token")
    assert session is not None and keys.opens(session) and not keys.opens("token") and not keys.opens(keys.form)
    assert keys.permits(keys.form) and not keys.permits(session) and not keys.permits(None) and not keys.permits("é")


# ── Other sites ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_form_of_another_site_changes_nothing(page: Asking):
    fields = {"key": page.key, "tags": "pwned", "note": ""}
    for foreign in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}):
        assert page.post("/study/first/said", fields, **foreign).status == 403
    assert page.lab.beside.said() == {}


def test_a_change_needs_the_key_of_the_forms(page: Asking):
    for key in ({}, {"key": ""}, {"key": "0" * 64}):
        assert page.post("/study/first/said", {"tags": "pwned", **key}).status == 403
    assert page.post("/study/first/said", {"tags": "mine", "key": page.key}).status == 303
    assert page.lab.beside.said()["first"].tags == ("mine",)


def test_a_page_that_changes_cannot_be_asked_for_with_get(page: Asking):
    assert page.get("/study/first/said?tags=pwned").status in (404, 405)
    assert page.lab.beside.said() == {}


def test_a_choice_leads_back_to_this_site_only(page: Asking):
    for back in ("//evil.example", "/\\evil.example", "http://evil.example/", "javascript:alert(1)"):
        assert page.post("/choose", {"key": page.key, "theme": "dark", "back": back}).headers["location"] == "/"
    assert page.post("/choose", {"key": page.key, "back": "/runs?q=a"}).headers["location"] == "/runs?q=a"


# ── What a browser may do ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/nowhere", "/static/ui.css", "/study/none", "/study/first/run/adam-s0"])
def test_every_answer_carries_the_policy(page: Asking, path: str):
    for client in (page, Asking(page.port, page.lab)):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-frame-options"] == "DENY" and headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert not any(name.startswith("access-control-") for name in headers)
    assert "unsafe" not in POLICY and "http" not in POLICY and "*" not in POLICY


def test_no_page_holds_a_script_or_a_style_of_its_own(page: Asking):
    for path in ("/", "/runs", "/study/first", "/study/first/run/adam-s0"):
        answer = page.get(path)
        assert answer.status == 200
        text = answer.text
        parts = text.split("<script")[1:]
        assert all("src=" in part.partition(">")[0] or "application/json" in part.partition(">")[0] for part in parts)
        assert "<style" not in text and " style=" not in text and " onclick" not in text


def test_names_tags_and_notes_are_text(page: Asking):
    a_study(page.lab.root, "named")
    (page.lab.root / "named").rename(page.lab.root / SCRIPT.replace("/", ""))
    note = f"{SCRIPT}\n\n[link](javascript:alert(1)) ![x](http://evil.example/x.png) **bold**"
    page.post("/study/first/said", {"key": page.key, "tags": SCRIPT, "note": note})
    for path in ("/", "/study/first", "/runs?q=%3Cscript%3Ealert(1)%3C/script%3E"):
        text = page.get(path).text
        assert "<img" not in text and "<script>alert" not in text and 'href="javascript' not in text
    assert "<strong>bold</strong>" in page.get("/study/first").text


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    ["..", "%2e%2e", "..%2fsecret", "%2e%2e%2fsecret", "first%2f..%2f..%2fsecret", "..%5csecret", "first%00", "%2fetc"],
)
def test_nothing_above_the_root_is_read(page: Asking, name: str):
    secret = a_study(page.lab.root.parent, "secret")
    for path in (f"/study/{name}", f"/study/{name}/run/adam-s0", f"/study/{name}/live", f"/static/{name}"):
        answer = page.get(path)
        assert (
            answer.status in (400, 404, 405)
            and "test/accuracy" not in answer.text
            and secret.parent.name not in answer.text
        )


def test_a_link_that_leads_out_of_the_root_is_no_study(page: Asking):
    a_study(page.lab.root.parent, "secret")
    (page.lab.root / "linked").symlink_to(page.lab.root.parent / "secret")
    (page.lab.root / "half").mkdir()
    (page.lab.root / "half" / "study.sqlite").symlink_to(page.lab.root.parent / "secret" / "study.sqlite")
    listed = page.get("/").text  # by their own names, and nothing that lies behind them
    assert 'href="/study/linked"' not in listed and 'href="/study/half"' not in listed and "secret" not in listed
    assert page.get("/study/linked").status == 404 and page.get("/study/half").status == 404


def test_what_is_sent_has_a_limit(page: Asking):
    answer = page.ask(
        "POST", "/study/first/said", b"key=" + b"a" * 1_500_000, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status == 413
    note = {"key": page.key, "note": "n" * 30_000}
    assert page.post("/study/first/said", note).status == 400 and page.lab.beside.said() == {}


@pytest.mark.parametrize("body", [b"{", b"[1,2]", b'{"a":' + b"[" * 100_000, b"\xff\xfe", b"null"])
def test_what_is_sent_may_be_anything(page: Asking, body: bytes):
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", ""):
        assert page.ask("POST", "/study/first/said", body, content_type=kind).status == 403


def test_errors_name_no_place_of_the_machine(page: Asking):
    broken = page.lab.root / "broken"
    broken.mkdir()
    (broken / "study.sqlite").write_bytes(b"no database")
    for path in ("/", "/study/broken", "/study/broken/run/x"):
        assert str(page.lab.root) not in page.get(path).text
    assert "unreadable" in page.get("/").text and "first" in page.get("/").text


def test_a_study_that_is_deleted_meanwhile_is_said_to_be_gone(page: Asking):
    shutil.rmtree(page.lab.root / "first")
    assert page.get("/study/first").status == 404 and page.get("/study/first/run/adam-s0").status == 404


def test_two_servers_do_not_take_each_other_s_cookies():
    one, two = Keys("a", "passo-1"), Keys("b", "passo-2")
    assert one.cookie != two.cookie and not two.opens(one.exchanged("a"))
