"""The page in a real Chromium: what it shows and says, and how it is used; the test is at the line's other end."""

from __future__ import annotations

import pytest
import trio
from chromium import executable
from stub import AGENTS, FLOOR, FORBIDDEN, NOTICE, called, visited

from parlance.engine.trace import (
    Acted,
    CallerSaid,
    CallerUnheard,
    Held,
    Murmured,
    PhraseReady,
    Resumed,
    Spoken,
    StateChanged,
    TurnBegan,
    TurnEnded,
    TurnTimed,
)

LINES = "[...document.querySelectorAll('#transcript .line')].map((line) => line.innerText.split('\\n').pop())"


@pytest.fixture(autouse=True)
def _browser() -> None:
    """Skipped here, and not inside a nursery, a test says why."""
    executable()


async def test_the_page_offers_the_servers_agents_and_says_how_each_answers():
    async with visited() as (page, stub):
        offered = "[...document.querySelectorAll('#choices label')].map((label) => label.innerText.trim())"
        assert await page.evaluate(offered) == [agent.title for agent in AGENTS]
        assert AGENTS[0].greeting in await page.evaluate("document.getElementById('invitation').innerText")
        await page.click("input[value=sales]")
        assert AGENTS[1].greeting in await page.evaluate("document.getElementById('invitation').innerText")
        assert (await called(page, stub)).agent == "sales"


async def test_interim_words_are_replaced_and_only_final_ones_reach_a_screen_reader():
    async with visited() as (page, stub):
        line = await called(page, stub)
        spoken = f"{LINES.replace('.line', '.line:not([aria-hidden])')}"
        await line.tell(CallerSaid("what", False, 1))
        await page.wait_for(f"{LINES}.join('|') == 'what'")
        await line.tell(CallerSaid("what are your", False, 1))
        await page.wait_for(f"{LINES}.join('|') == 'what are your'")
        assert await page.evaluate(spoken) == []
        when = "document.querySelector('.line .when').textContent"
        await page.evaluate(f"{when} = 'as it began'")
        await line.tell(CallerSaid("what are your hours", True, 1))
        await page.wait_for(f"{LINES}.join('|') == 'what are your hours'")
        assert await page.evaluate(when) == "as it began"
        assert await page.evaluate(spoken) == ["what are your hours"]
        await line.tell(CallerSaid("um", False, 2), CallerUnheard(2))
        await line.tell(CallerSaid("uh-huh", True, 3), Murmured("uh-huh"))
        await page.wait_for("document.querySelector('.murmur')")
        assert await page.evaluate(LINES) == ["what are your hours", "uh-huh"]


async def test_where_the_caller_cut_in_the_rest_is_struck_out():
    async with visited() as (page, stub):
        line = await called(page, stub)
        await line.tell(TurnBegan(2, words="hours"), PhraseReady(2, "We are open"), PhraseReady(2, "until six."))
        await line.tell(Spoken(2, "We are open"))
        ahead = "[...document.querySelectorAll('.ahead')].map((span) => span.textContent).join()"
        await page.wait_for(f"{ahead} == 'until six.'")
        await line.tell(Held(2, 0.06), StateChanged("open", "talking", "held"))
        await page.wait_for("document.querySelector('.line.held')")
        await page.wait_for(f"{FLOOR} == 'Paused'")
        await line.tell(Resumed(2), StateChanged("open", "quiet", "speaking"))
        await page.wait_for("!document.querySelector('.line.held')")
        await page.wait_for(f"{FLOOR} == 'Receptionist is speaking'")
        await line.tell(TurnEnded(2, "interrupted", "barge-in", "We are open until six.", "We are open", 0.8))
        await line.tell(StateChanged("open", "talking", "idle"))
        await page.wait_for("document.querySelector('.cut')")
        assert await page.evaluate(LINES) == ["We are open you cut in until six."]
        assert await page.evaluate("document.querySelector('.unheard').textContent") == "until six."
        await page.wait_for(f"{FLOOR} == 'You have the floor'")


async def test_the_newest_line_is_in_view_unless_the_reader_has_scrolled_up():
    async with visited() as (page, stub):
        below = "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)"
        below += "(document.getElementById('transcript'))"
        line = await called(page, stub)
        for utterance in range(30):
            await line.tell(CallerSaid(f"line {utterance}", True, utterance))
        await page.wait_for(f"{LINES}.length == 30 && {below} < 2")
        await page.resize(390, 600)
        await page.wait_for(f"{below} < 2")
        await line.tell(CallerSaid("one more", True, 30))
        await page.wait_for(f"{LINES}.length == 31 && {below} < 2")
        await page.evaluate("document.getElementById('transcript').scrollTop = 0")
        await page.evaluate("new Promise(requestAnimationFrame)")
        await line.tell(CallerSaid("and another", True, 31))
        await page.wait_for(f"{LINES}.length == 32")
        assert await page.evaluate("document.getElementById('transcript').scrollTop") == 0


async def test_the_last_answers_latency_is_shown_step_by_step():
    async with visited() as (page, stub):
        line = await called(page, stub)
        await line.tell(TurnTimed(1, first_phrase=0.2, first_audio=0.3, first_frame=0.4))
        await line.tell(TurnTimed(2, 10.0, 10.35, 10.4, 10.41, 10.42, 10.5, 10.6))
        await page.wait_for("document.querySelector('#latency .figure').textContent == '600'")
        figures = "[...document.querySelectorAll('.steps dd span:last-child')].map((span) => span.textContent)"
        assert await page.evaluate(figures) == ["350", "400", "410", "420", "500", "600"]
        await line.tell(TurnTimed(3, 20.0, 20.35, None, None, None, None, 20.5), Acted(3, "book", {"day": "friday"}))
        await page.wait_for(f"{LINES}.join() == 'Book: day friday'")
        assert "550" in await page.evaluate("document.querySelector('#latency .median').textContent")


async def test_the_agents_goodbye_ends_the_call_with_its_reason():
    async with visited() as (page, stub):
        line = await called(page, stub)
        await line.say(*line.wire.goodbye("the caller was silent"))
        await line.close()
        await page.wait_for("document.body.dataset.stage == 'idle'")
        assert await page.evaluate("document.getElementById('detail').textContent") == "The caller was silent."
        assert await page.evaluate(NOTICE) == ""


async def test_everything_can_be_done_by_keyboard():
    async with visited() as (page, stub):
        focused = "document.activeElement.id || document.activeElement.value"
        await page.press("Tab")
        assert await page.evaluate(focused) == "receptionist"
        await page.press("ArrowDown")
        assert await page.evaluate(focused) == "sales"
        await page.press("Tab")
        assert await page.evaluate(focused) == "call"
        await page.press("Enter")
        line = await stub.answer()
        assert line.agent == "sales"
        await page.wait_for("document.body.dataset.stage == 'talking'")
        assert await page.evaluate(focused) == "hangup"
        await page.press("m")
        assert await page.evaluate("document.getElementById('mute').getAttribute('aria-pressed')") == "true"
        await page.press("Tab")
        assert await page.evaluate(focused) == "mute"
        await page.press(" ")
        assert await page.evaluate("document.getElementById('mute').getAttribute('aria-pressed')") == "false"
        await page.press("Escape")
        with trio.fail_after(5):
            await line.stopped.wait()
        await page.wait_for(f"({focused}) == 'call'")


async def test_without_a_microphone_the_page_says_what_to_do():
    refusal = """navigator.mediaDevices.getUserMedia =
        () => Promise.reject(new DOMException("no", window.refusal));"""
    async with visited(refusal) as (page, _):
        for name, words in (
            ("NotAllowedError", "microphone was refused"),
            ("NotFoundError", "No microphone was found"),
            ("NotReadableError", "microphone is in use"),
        ):
            await page.evaluate(f"window.refusal = '{name}'")
            await page.click("#call")
            await page.wait_for(f"({NOTICE}).includes('{words}')")
            assert await page.evaluate("document.activeElement.textContent") == "Call again"
            assert await page.evaluate("document.body.dataset.stage") == "idle"
        await page.evaluate("void Object.defineProperty(window, 'isSecureContext', { value: false })")
        await page.click("#call")
        await page.wait_for(f"({NOTICE}).includes('secure page')")


async def test_a_refused_call_says_why():
    async with visited() as (page, stub):
        for code, words in (
            (1003, "not here"),
            (1013, "All lines are busy"),
            (1012, "restarting"),
            (1011, "failed on the server"),
            (4321, "ended the call"),
        ):
            stub.refuse = code
            await page.click("#call")
            await page.wait_for(f"({NOTICE}).includes('{words}')")
        stub.refuse = FORBIDDEN
        await page.click("#act")
        await page.wait_for(f"({NOTICE}).includes('with a key only')")
        assert [fault for fault in page.faults if "403" not in fault] == []
        page.faults.clear()
        stub.refuse = 0
        await page.click("#act")
        await stub.answer()
        await page.wait_for(f"document.body.dataset.stage == 'talking' && ({NOTICE}) == ''")


async def test_a_double_click_on_call_does_not_hang_up():
    async with visited() as (page, stub):
        await page.click("#call")
        await page.click("#hangup")
        line = await stub.answer()
        await page.wait_for("document.body.dataset.stage == 'talking'")
        assert not line.stopped.is_set()


async def test_a_server_that_never_begins_the_call_is_given_up():
    hurry = "const later = window.setTimeout; window.setTimeout = (act, wait) => later(act, wait / 20);"
    async with visited(hurry) as (page, stub):
        stub.silent = True
        await page.click("#call")
        line = await stub.answer()
        await page.wait_for(f"({NOTICE}).includes('Nobody answered')")
        with trio.fail_after(5):
            await line.gone.wait()


async def test_a_connection_lost_in_mid_call_is_said_and_the_next_call_is_one_key_away():
    async with visited() as (page, stub):
        line = await called(page, stub)
        await line.tell(CallerSaid("hello", True, 1))
        await page.wait_for(f"{LINES}.length == 1")
        await page.evaluate("document.querySelector('#hangup').focus()")
        await line.close(1001)
        await page.wait_for(f"({NOTICE}).includes('connection was lost')")
        assert await page.evaluate(LINES) == ["hello"]
        await page.press("Enter")
        await stub.answer()
        await page.wait_for("document.body.dataset.stage == 'talking'")
        assert await page.evaluate(LINES) == []


async def test_a_server_that_is_gone_when_the_sound_is_loaded_is_said():
    gone = "AudioWorklet.prototype.addModule = () => Promise.reject(new DOMException('no', 'AbortError'));"
    async with visited(gone) as (page, _):
        await page.click("#call")
        await page.wait_for(f"({NOTICE}).includes('cannot be reached')")


async def test_on_a_telephone_the_transcript_can_be_read_when_the_call_is_over():
    async with visited() as (page, stub):
        await page.resize(390, 700, mobile=True)
        line = await called(page, stub)
        for utterance in range(30):
            await line.tell(CallerSaid(f"line {utterance}", True, utterance))
        await line.tell(TurnTimed(2, 10.0, 10.35, 10.4, 10.41, 10.42, 10.5, 10.6))
        await line.say(*line.wire.goodbye("agent hung up"))
        await line.close()
        await page.wait_for("document.body.dataset.stage == 'idle'")
        assert await page.evaluate("document.getElementById('transcript').clientHeight") > 300
        assert await page.evaluate(f"{WIDE} <= 0")


async def test_every_text_has_contrast_and_nothing_is_wider_than_the_screen():
    async with visited() as (page, stub):
        line = await called(page, stub)
        await line.tell(CallerSaid("a word of " + "extraordinary" * 6 + " length", True, 1))
        await line.tell(CallerSaid("hm", False, 2), PhraseReady(2, "We are open"))
        await line.tell(TurnEnded(2, "interrupted", "", "We are open", "We", 0.2), PhraseReady(3, "Yes."))
        await line.tell(TurnTimed(2, 10.0, 10.35, 10.4, 10.41, 10.42, 10.5, 10.6))
        await page.wait_for("document.querySelector('.cut') && document.querySelector('.figure').innerText == '600'")
        for width in (1280, 390):
            await page.resize(width, 800)
            for scheme in ("light", "dark"):
                await page.prefer(prefers_color_scheme=scheme)
                assert await page.evaluate(f"{WIDE} <= 0"), width
                assert await page.evaluate(CONTRAST) == [], (width, scheme)


# By how many pixels anything is wider than where it is.
WIDE = """Math.max(...["html", "#transcript", "#transcript .words"]
    .flatMap((name) => [...document.querySelectorAll(name)])
    .map((element) => element.scrollWidth - element.clientWidth))"""

# Texts below WCAG 2.2's 4.5:1 against the nearest background that is not transparent.
CONTRAST = """(() => {
    const parse = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const color = parse(getComputedStyle(element).backgroundColor);
            if (color.length == 3 || color[3] == 1) return color;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('body *')]
        .filter((element) => element.checkVisibility() && !element.closest(':disabled, s')
            && [...element.childNodes].some((node) => node.nodeType == 3 && node.data.trim()))
        .map((element) => {
            const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
            return [element.textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
        })
        .filter(([, ratio]) => ratio < 4.5);
})()"""


DROPPING = """
const Real = window.WebSocket;
window.sockets = [];
window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets.push(this); } };
"""


async def test_a_call_whose_socket_was_dropped_comes_back_and_goes_on():
    async with visited(DROPPING) as (page, stub):
        line = await called(page, stub)
        await line.tell(CallerSaid("hello", True, 1))
        await page.wait_for(f"{LINES}.length == 1")
        await page.evaluate("sockets[0].onclose(new CloseEvent('close', { code: 1006 }))")
        back = await stub.answer()
        await back.tell(CallerSaid("are you there", True, 2))
        await page.wait_for(f"{LINES}.length == 2")
        assert await page.evaluate("new URL(sockets[1].url).searchParams.get('session')") == "c1"
        assert await page.evaluate("document.body.dataset.stage") == "talking"
        await back.until_heard(0.2)


async def test_a_key_after_the_pages_address_goes_with_the_socket():
    async with visited(DROPPING) as (page, stub):
        await page.evaluate("location.hash = 'key=plk_secret'")
        await called(page, stub)
        assert await page.evaluate("new URL(sockets[0].url).searchParams.get('token')") == "plk_secret"
