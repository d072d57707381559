"""The page in a real browser, over a real socket."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from serving_faces import SECRET, served
from shown_trader import (
    BARS,
    LEDGER,
    LINEAGE,
    MARK,
    NOW_MS,
    STOP,
    CycleBrokenError,
    ShownTrader,
    account,
    status,
)

from crypto_kedro.serving.face import FaceToken
from crypto_kedro.session.journal import HaltInForce
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.status import AccountSeen, IncidentSeen, TraderStatus
from crypto_kedro.trading.gates import ALL_GATES
from crypto_kedro.trading.money import Btc

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
NEXT_POLL_MS = 3_100
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def served_trader() -> Iterator[tuple[ShownTrader, str]]:
    trader = ShownTrader()
    with served(trader) as address:
        yield trader, address


@pytest.fixture
def trader(served_trader: tuple[ShownTrader, str]) -> ShownTrader:
    served_trader[0].begin_anew(status())
    return served_trader[0]


@pytest.fixture
def open_page(browser: Browser, trader: ShownTrader, served_trader: tuple[ShownTrader, str]) -> Iterator[OpenPage]:
    """Open the dashboard; whatever the browser complains of, or asks of others, fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(address: str = served_trader[1], *, waits_for: str = "#board[aria-busy=false]", **context: Any) -> Page:
        usual = {"viewport": DESK, "locale": "en-US", "color_scheme": "light", "timezone_id": "America/New_York"}
        contexts.append(browser.new_context(**usual | context))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url))
        page.goto(address)
        page.wait_for_selector(waits_for)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def is_complaint(message: Any) -> bool:
    # An answer that is no success is the trader's word, which the page shows.
    return message.type in ("error", "warning") and "Failed to load resource" not in message.text


def yen(amount: float) -> str:
    return f"\N{YEN SIGN}{amount:,.0f}"


def test_the_figures_of_the_trader_are_shown(open_page: OpenPage) -> None:
    page = open_page()
    seen = status().account
    assert seen is not None
    expect(page.locator("#environment")).to_have_text("Paper")
    expect(page.locator("#tile-equity .figure")).to_have_text(yen(float(seen.equity)))
    expect(page.locator("#tile-day_net .figure")).to_have_text("+" + yen(float(seen.day_net)))
    expect(page.locator("#tile-price .figure")).to_have_text(yen(MARK.ticks))
    expect(page.locator("#tile-drawdown .figure")).to_have_text("0.00%")
    expect(page.locator("#position")).to_contain_text("0.0240 BTC")
    expect(page.locator("#position")).to_contain_text(yen(int(str(seen.positions[0].stop))))
    expect(page.locator("#decision .sentence")).to_contain_text("Holds long 0.0240 BTC")
    expect(page.locator("#decision summary")).to_have_text("20 of 22 gates pass")
    expect(page.locator("#trades tbody tr")).to_have_count(3)
    expect(page.locator("#incidents li")).to_have_count(3)
    expect(page.locator("#session .checks .no")).to_have_count(0)
    expect(page.locator("#model")).to_contain_text(LINEAGE.model_version)
    expect(page.locator("#banners .banner")).to_have_count(0)
    expect(page).to_have_title(f"{yen(float(seen.equity))} \N{MIDDLE DOT} Paper \N{MIDDLE DOT} crypto-kedro")


def test_moments_are_told_in_japanese_time_wherever_the_reader_is(open_page: OpenPage) -> None:
    page = open_page(timezone_id="America/New_York")
    expect(page.locator("#decision header .aside")).to_have_text("24 Nov 17:30 JST")


def test_every_gate_is_listed_with_its_verdict_and_its_rule(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#decision summary").click()
    rows = page.locator("#decision .gates tr")
    expect(rows).to_have_count(len(ALL_GATES))
    expect(rows.nth(3)).to_have_text("failsConfidence0.45\N{GREATER-THAN OR EQUAL TO} 0.65")
    expect(rows.nth(0)).to_contain_text("passes")


def test_the_bars_of_the_day_follow_the_order_of_the_gates_and_leave_no_gap(open_page: OpenPage) -> None:
    page = open_page()
    names = page.locator("#funnel li span").all_text_contents()
    assert names == ["model not sure enough", "models disagree", "not worth its costs", "volatility out of range",
                     "signal", "position within its barriers"]  # fmt: skip
    ends = 0.0
    for bar in page.locator("#funnel rect").all():
        assert float(bar.get_attribute("x") or "nan") == pytest.approx(ends)
        ends += float(bar.get_attribute("width") or "nan")
    assert ends == pytest.approx(100)


def height_of(page: Page, kind: str) -> float:
    return float(page.locator(f"#price .level.{kind}").get_attribute("y1") or "nan")


def test_the_chart_draws_every_bar_every_fill_and_the_levels_in_their_order(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#price g:is(.rise, .fall)")).to_have_count(96)
    expect(page.locator("#price .mark.buy")).to_have_count(len([f for f in status().fills if f.side == "buy"]))
    expect(page.locator("#price .mark.sell")).to_have_count(len([f for f in status().fills if f.side == "sell"]))
    assert height_of(page, "stop") > height_of(page, "entry") > height_of(page, "last") > height_of(page, "target")


def test_a_narrow_chart_shows_fewer_bars_rather_than_unreadable_ones(open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE)
    shown = page.locator("#price g:is(.rise, .fall)").count()
    assert 40 < shown < 96


def test_the_pointer_reads_a_bar_and_leaving_it_reads_the_last_one(open_page: OpenPage) -> None:
    page = open_page()
    readout = page.locator("#price .readout")
    last = f"{BARS[-1].close:,.0f}"
    expect(readout).to_contain_text(last)
    box = page.locator("#price svg").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 60)
    expect(readout).to_contain_text(f"{BARS[-96].close:,.0f}")
    expect(readout).to_contain_text("23 Nov 17:30 JST")
    page.mouse.move(box["x"] + 2, box["y"] - 300)
    expect(readout).to_contain_text(last)


def test_the_rail_places_the_price_between_stop_and_take_profit(open_page: OpenPage) -> None:
    page = open_page()
    held = status().account
    assert held is not None
    (one,) = held.positions
    assert one.stop is not None
    assert one.take_profit is not None
    share = (MARK.ticks - one.stop.ticks) / (one.take_profit.ticks - one.stop.ticks)
    place = page.locator("#position .rail .here").get_attribute("cx") or ""
    assert float(place.rstrip("%")) == pytest.approx(100 * share)


def test_new_figures_appear_by_themselves(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page()
    page.clock.install()
    page.reload()
    page.wait_for_selector("#board[aria-busy=false]")
    trader.shows = status(environment="live", funnel=(("spread", 7),))
    page.clock.run_for(NEXT_POLL_MS)
    expect(page.locator("#environment")).to_have_text("Live")
    expect(page.locator("#funnel li")).to_have_text(["spread too wide7"])


@pytest.mark.parametrize(("locale", "title"), [("ja-JP", "建玉"), ("en-GB", "Position"), ("de-DE", "Position")])
def test_the_page_speaks_the_language_of_the_reader(open_page: OpenPage, locale: str, title: str) -> None:
    page = open_page(locale=locale)
    expect(page.locator("#position h2")).to_have_text(title)


def test_the_language_can_be_changed_and_is_remembered(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#language").click()
    expect(page.locator("#decision .sentence")).to_contain_text("ロング 0.0240 BTC を保有")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.reload()
    expect(page.locator("#stop")).to_have_text("停止")


WORDLESS = r"""
() => [...document.querySelectorAll("body *")]
  .filter((element) => !element.children.length && !element.closest(".facts code, .events b, #incidents .what"))
  .map((element) => element.textContent.trim())
  .filter((text) => /^[a-z]+(_[a-z0-9]+)+$/.test(text) || text.includes("{") || /undefined|NaN/.test(text))
"""


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_no_word_is_missing(open_page: OpenPage, trader: ShownTrader, locale: str) -> None:
    page = open_page(locale=locale)
    page.locator("#decision summary").click()
    assert page.evaluate(WORDLESS) == []


def test_both_languages_have_the_same_words_and_one_for_every_gate(open_page: OpenPage) -> None:
    page = open_page()
    words = page.evaluate("fetch('/page/words.json').then((answer) => answer.json())")
    assert words["en"].keys() == words["ja"].keys()
    for language in words.values():
        assert set(language["gates"]) == {rule.name for rule in ALL_GATES}
        assert set(language["gates"]) <= set(language["reasons"])


BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"


def test_the_colours_follow_the_device_and_then_the_reader(open_page: OpenPage) -> None:
    dark = open_page(color_scheme="dark").evaluate(BACKGROUND)
    page = open_page(color_scheme="light")
    light = page.evaluate(BACKGROUND)
    assert dark != light
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_text("Dark")
    assert page.evaluate(BACKGROUND) == dark
    page.reload()
    page.wait_for_selector("#board[aria-busy=false]")
    assert page.evaluate(BACKGROUND) == dark


CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, noscript, script, .unseen, :disabled") || !element.checkVisibility()) continue;
    const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))].sort();
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) low.push(`${element.textContent.trim()}: ${contrast.toFixed(2)}`);
  }
  return low;
}
"""


def in_trouble() -> TraderStatus:
    """Everything that has a colour of its own at once."""
    bare = AccountSeen.of(account(orders=()), LEDGER)
    lineage = structs.replace(LINEAGE, data_source="synthetic")
    return status(environment="live", account=bare, lease_held=False, lineage=lineage)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(open_page: OpenPage, trader: ShownTrader, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    assert page.evaluate(CONTRASTS) == []
    trader.shows = in_trouble()
    page.reload()
    page.wait_for_selector("#board[aria-busy=false]")
    page.locator("#stop").click()
    assert page.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_nothing_sticks_out_of_the_screen(open_page: OpenPage, trader: ShownTrader, locale: str) -> None:
    trader.shows = status(session_id="paper-" + "20261122" * 6)
    page = open_page(locale=locale)
    for width in (320, 390, 768, 1080, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("(width) => document.querySelector('#price .chart svg').clientWidth < width", arg=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_stop_button_stays_within_reach_of_a_thumb(open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    box = page.locator("#stop").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < PHONE["height"]
    assert box["height"] >= 40
    page.locator("#stop").tap()
    expect(page.locator("#stop-dialog")).to_be_visible()


def stop(page: Page, token: str | None = SECRET) -> Locator:
    page.locator("#stop").click()
    if token is not None:
        page.locator("#stop-form [name=token]").fill(token)
    page.locator("#stop-form .danger").click()
    return page.locator("#banners")


def test_a_stop_with_the_token_reaches_the_trader_and_shows(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page()
    expect(stop(page)).to_contain_text("Trading is stopped")
    expect(page.locator("#stop-dialog")).to_be_hidden()
    assert trader.stops == [{"by": "HTTP face", "reason": "Stopped by hand from the dashboard", "flatten": False}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"halt_obeyed": False}, "asked for; the next cycle obeys"),
        ({"halt_obeyed": True}, "being closed now"),
        ({"halt_obeyed": True, "account": AccountSeen.of(account(orders=(), amount=Btc(0)), LEDGER)}, "in force"),
    ],
)
def test_how_far_a_halt_has_come_is_told(
    open_page: OpenPage, trader: ShownTrader, changes: dict[str, Any], words: str
) -> None:
    trader.shows = status(halted=HaltInForce("hanako", "news at nine", True, NOW_MS), **changes)
    expect(open_page().locator("#banners")).to_contain_text(words)


def test_a_stop_from_a_phone_in_japanese_can_close_the_position(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page(viewport=PHONE, locale="ja-JP", has_touch=True, is_mobile=True)
    page.locator("#stop").tap()
    page.get_by_text("停止し、建玉を決済").tap()
    page.locator("#stop-form [name=reason]").fill("急変")
    page.locator("#stop-form [name=token]").fill(SECRET)
    page.get_by_role("button", name="今すぐ停止").tap()
    expect(page.locator("#banners")).to_contain_text("建玉も決済します")
    assert trader.stops == [{"by": "HTTP face", "reason": "急変", "flatten": True}]


def test_a_wrong_token_stops_nothing_and_says_so(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page()
    stop(page, "wrong")
    expect(page.locator("#stop-form .refused")).to_have_text("this is not the token")
    expect(page.locator("#stop-dialog")).to_be_visible()
    assert trader.stops == []


def test_the_token_is_asked_for_once_and_forgotten_with_the_tab(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page()
    stop(page)
    expect(page.locator("#stop-dialog")).to_be_hidden()
    page.locator("#stop").click()
    expect(page.locator("#stop-form .token")).to_be_hidden()
    page.keyboard.press("Escape")
    assert page.evaluate("Object.values(localStorage)").count(SECRET) == 0
    again = page.context.new_page()
    again.goto(page.url)
    again.wait_for_selector("#board[aria-busy=false]")
    again.locator("#stop").click()
    expect(again.locator("#stop-form .token")).to_be_visible()


def test_leaving_the_dialog_stops_nothing(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page()
    page.locator("#stop").click()
    expect(page.locator("#stop-form input:focus")).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator("#stop").click()
    page.locator("#stop-form [data-close]").click()
    expect(page.locator("#stop-dialog")).to_be_hidden()
    assert trader.stops == []


def test_a_cycle_can_be_run_by_hand(open_page: OpenPage, trader: ShownTrader) -> None:
    page = open_page()
    page.locator("#run-cycle").click()
    page.locator("#token-form [name=token]").fill(SECRET)
    page.locator("#token-form .strong").click()
    expect(page.locator(".toast")).to_have_text("The cycle is over")
    assert trader.ticks == 1


def test_a_cycle_that_is_broken_off_shows_its_sentence(open_page: OpenPage, trader: ShownTrader) -> None:
    trader.breaks = CycleBrokenError("bitbank: closed for maintenance until 12:00; wait")
    page = open_page()
    page.evaluate(f"sessionStorage.setItem('crypto-kedro-token', '{SECRET}')")
    page.locator("#run-cycle").click()
    expect(page.locator(".toast")).to_have_text("bitbank: closed for maintenance until 12:00; wait")


def test_a_trader_without_a_token_can_only_be_watched(open_page: OpenPage) -> None:
    with served(ShownTrader(), token=None) as address:
        page = open_page(address)
        expect(page.locator("#stop")).to_be_disabled()
        expect(page.locator("#stop")).to_have_attribute("title", "Read only: this trader has no token")
        expect(page.locator("#run-cycle")).to_have_count(0)


def test_a_one_time_link_lets_one_browser_stop_without_a_token(open_page: OpenPage) -> None:
    trader, code = ShownTrader(), FaceToken.generated()
    with served(trader, link_code=code) as address:
        link = f"{address}/#token={code.secret}"
        page = open_page(address)
        page.goto(link)
        expect(page.locator(".toast")).to_have_text("This tab can stop trading now")
        assert page.url == f"{address}/"
        assert page.evaluate("Object.values(sessionStorage)") == [SECRET]
        expect(stop(page, token=None)).to_contain_text("Trading is stopped")
        assert len(trader.stops) == 1
        other = page.context.new_page()
        other.goto(link)
        expect(other.locator(".toast")).to_contain_text("This link was used before")
        assert other.url == f"{address}/"
        other.locator("#stop").click()
        expect(other.locator("#stop-form .token")).to_be_visible()


def test_a_one_time_link_works_as_the_first_page(open_page: OpenPage) -> None:
    code = FaceToken.generated()
    with served(ShownTrader(), link_code=code, open_reading=False) as address:
        open_page(address, waits_for="#token-dialog[open]")
        page = open_page(address, waits_for="#token-dialog[open]").context.new_page()
        page.goto(f"{address}/#token={code.secret}")
        expect(page.locator("#tile-price .figure")).to_have_text(yen(MARK.ticks))


def test_a_closed_face_shows_nothing_until_it_has_the_token(open_page: OpenPage) -> None:
    with served(ShownTrader(), open_reading=False) as address:
        page = open_page(address, waits_for="#token-dialog[open]")
        expect(page.locator("#tiles .tile")).to_have_count(0)
        page.locator("#token-form [name=token]").fill("wrong")
        page.locator("#token-form .strong").click()
        expect(page.locator("#token-form .refused")).to_have_text("this is not the token")
        page.locator("#token-form [name=token]").fill(SECRET)
        page.locator("#token-form .strong").click()
        expect(page.locator("#tile-price .figure")).to_have_text(yen(MARK.ticks))


def test_a_face_behind_a_proxy_shows_nothing_until_it_has_the_token(open_page: OpenPage) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    page = open_page(waits_for="#token-dialog[open]", extra_http_headers=forwarded, viewport=PHONE)
    expect(page.locator("#tiles .tile")).to_have_count(0)
    page.locator("#token-form [name=token]").fill(SECRET)
    page.locator("#token-form .strong").click()
    expect(page.locator("#tile-price .figure")).to_have_text(yen(MARK.ticks))


def test_a_trader_that_falls_silent_is_shown_as_such_and_comes_back(open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install()
    page.reload()
    page.wait_for_selector("#board[aria-busy=false]")
    page.route("**/status", lambda route: route.abort())
    page.clock.run_for(NEXT_POLL_MS)
    expect(page.locator("#banners")).to_contain_text("The trader has not answered since")
    expect(page.locator("#board")).to_have_class("board old")
    page.unroute("**/status")
    page.clock.run_for(NEXT_POLL_MS)
    expect(page.locator("#banners .banner")).to_have_count(0)
    expect(page.locator("#board")).to_have_class("board")


def test_a_position_without_a_stop_is_shouted(open_page: OpenPage, trader: ShownTrader) -> None:
    trader.shows = in_trouble()
    page = open_page()
    banners = page.locator("#banners .banner")
    expect(banners).to_have_count(2)
    expect(banners.first).to_contain_text("A position has no stop at the exchange")
    expect(page.locator("#position .facts b.down")).to_have_text("No stop rests")
    expect(page.locator("#session .checks .no")).to_have_text("another process may be trading")


def test_a_session_that_has_just_begun_says_what_is_still_missing(open_page: OpenPage, trader: ShownTrader) -> None:
    trader.shows = TraderStatus(
        environment="paper", session_id="paper-1", now_ms=NOW_MS, started_at_ms=NOW_MS, lineage=None,
        funding_stage=1, guards=status().guards, lease_held=True,
    )  # fmt: skip
    page = open_page()
    expect(page.locator("#banners")).to_contain_text("no market data yet \N{MIDDLE DOT} no cycle yet")
    expect(page.locator(".empty")).to_have_count(8)
    expect(page.locator("#tile-equity .figure")).to_have_text("\N{EN DASH}")


def test_a_flat_account_says_that_nothing_is_at_risk(open_page: OpenPage, trader: ShownTrader) -> None:
    trader.shows = status(account=AccountSeen.of(account(orders=(), amount=Btc(0)), LEDGER))
    expect(open_page().locator("#position")).to_contain_text("No position")


def test_a_short_position_is_drawn_from_its_stop_to_its_take_profit(open_page: OpenPage, trader: ShownTrader) -> None:
    seen = status().account
    assert seen is not None
    (long,) = seen.positions
    short = structs.replace(long, side="short", stop=long.take_profit, take_profit=long.stop)
    trader.shows = status(account=structs.replace(seen, positions=(short,)))
    place = open_page().locator("#position .rail .here").get_attribute("cx") or ""
    assert long.stop is not None
    assert long.take_profit is not None
    share = (long.take_profit.ticks - MARK.ticks) / (long.take_profit.ticks - long.stop.ticks)
    assert float(place.rstrip("%")) == pytest.approx(100 * share)


def test_what_the_trader_says_is_never_read_as_markup(open_page: OpenPage, trader: ShownTrader) -> None:
    nasty = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"
    trader.shows = status(session_id=nasty, incidents=(IncidentSeen(NOW_MS, Severity.INFO, nasty, nasty),))
    page = open_page()
    expect(page.locator("#incidents .what")).to_have_text(nasty)
    expect(page.locator("#board img")).to_have_count(0)


def test_one_resting_order_of_two_is_enough_for_a_stop_but_draws_no_rail(
    open_page: OpenPage, trader: ShownTrader
) -> None:
    trader.shows = status(account=AccountSeen.of(account(orders=(STOP,)), LEDGER))
    page = open_page()
    expect(page.locator("#position .rail")).to_have_count(0)
    expect(page.locator("#position")).to_contain_text("rests at the exchange")
    expect(page.locator("#banners .banner")).to_have_count(0)
