"""What providers mean by their errors: as each of them sends them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.dial import Dial, Service, complaint
from parlance.actors.verdict import verdict
from parlance.engine.errors import Overloaded, ProviderError, Rejected, Unreachable

OPENAI = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error,"
    " read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
GEMINI = (
    "You exceeded your current quota, please check your plan and billing details. * Quota exceeded for metric:"
    " generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 20 Please retry in 59.6s."
)
VERTEX = "Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per_base_model"
AZURE = (
    "Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your current OpenAI S0 pricing"
    " tier. Please retry after 20 seconds. To increase the quota, see https://aka.ms/oai/quotaincrease"
)
TIER = (
    "Rate limit reached for m on requests per min. Limit: 3 / min. Please try again in 20s. You can increase your rate"
    " limit by adding a payment method: https://platform.openai.com/account/billing"
)
ELEVEN = "This request exceeds your quota of 10000. You have 12 credits remaining, while 30 credits are required."
CREDIT = "Your credit balance is too low to access the Anthropic API."


class There(Service):
    url: str = "https://there.example"
    key_env: str = "NOBODYS_KEY"


STATUSES = {
    300: Rejected, 302: Rejected, 400: Rejected, 401: Rejected, 402: Rejected, 403: Rejected, 404: Rejected,
    408: Unreachable, 422: Rejected, 429: Overloaded, 500: Unreachable, 502: Unreachable, 503: Overloaded,
    504: Unreachable, 529: Overloaded,
}  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
@pytest.mark.parametrize("told", ["", "m", "invalid voice", "too many", "internal error"])
def test_a_status_decides(status: int, kind: type[ProviderError], told: str) -> None:
    assert verdict(told, status, told) is kind


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (OPENAI, Rejected),
        ("You exceeded your current quota.", Rejected),
        ("Project does not have enough credits", Rejected),
        (GEMINI, Overloaded),
        (VERTEX, Overloaded),
        (AZURE, Overloaded),
        (TIER, Overloaded),
        ("", Overloaded),
        ("Too many requests", Overloaded),
        ("Rate limit reached. Please try again in 2s.", Overloaded),
    ],
)
def test_too_many_requests_may_be_a_quota_that_is_used_up(told: str, kind: type[ProviderError]) -> None:
    assert verdict(told, 429) is kind
    assert verdict(told, 429, again=True) is Overloaded


@pytest.mark.parametrize(
    ("headers", "kind", "after"), [({}, Rejected, None), ({"retry-after": "3"}, Overloaded, 3.0)], ids=["no", "3 s"]
)
def test_a_refusal_of_a_quota_is_final_unless_it_says_when_to_come_back(
    headers: dict[str, str], kind: type[ProviderError], after: float | None
) -> None:
    quota = {"message": OPENAI, "type": "insufficient_quota", "code": "insufficient_quota"}
    dial = Dial("p", There(url="https://x.example"))
    error = dial.refusal(429, complaint(json.dumps({"error": quota})), headers)
    assert (type(error), error.after) == (kind, after)


SAID = [
    ("Deepgram", "INTERNAL_SERVER_ERROR", "an unexpected error", None, Unreachable),
    ("Deepgram", "NET-0001", "Deepgram did not receive audio data within the timeout window.", None, Unreachable),
    ("Deepgram", "SchemaError", "Could not deserialize last text message: unknown variant `Hello`", None, Unreachable),
    ("Deepgram", "UNPARSABLE_CLIENT_MESSAGE", "not a message of this protocol", None, Rejected),
    ("Deepgram", "INVALID_AUTH", "Invalid credentials.", None, Rejected),
    ("Deepgram", "ASR_PAYMENT_REQUIRED", "Project does not have enough credits", None, Rejected),
    ("ElevenLabs", "quota_exceeded", ELEVEN, 1008, Rejected),
    ("ElevenLabs", "quota_exceeded", "over your limit", None, Rejected),
    ("ElevenLabs", "max_active_conversations", "Maximum simultaneous contexts exceeded (5).", 1008, Overloaded),
    ("ElevenLabs", "rate_limit_exceeded", "slower", 1008, Overloaded),
    ("ElevenLabs", "system_busy", "We are seeing heavy traffic.", None, Overloaded),
    ("ElevenLabs", "too_many_concurrent_requests", "m", None, Overloaded),
    ("ElevenLabs", "voice_not_found", "A voice for the voice_id v was not found.", 1008, Rejected),
    ("ElevenLabs", "invalid_api_key", "Invalid API key, please try again", 1008, Rejected),
    ("ElevenLabs", "internal_error", "could not generate speech", 1011, Unreachable),
    ("ElevenLabs", "something_new", "m", 1008, Rejected),
    ("ElevenLabs", "something_new", "m", 1011, Unreachable),
    ("anybody", "", "Session has expired", 1008, Unreachable),
    ("anybody", "", "API key expired", 1008, Rejected),
    ("Cartesia", "concurrency_limited Too many concurrent requests", "Your plan's concurrency limit.", 429, Overloaded),
    ("Cartesia", "quota_exceeded Quota exceeded", "You are out of credits.", 429, Rejected),
    ("Cartesia", "None Internal error", "Something went wrong.", 500, Unreachable),
    ("AssemblyAI", "", "Unauthorized Connection: Too many concurrent sessions", None, Overloaded),
    ("AssemblyAI", "", "Not authorized", None, Rejected),
    ("AssemblyAI", "", "Insufficient funds", None, Rejected),
    ("OpenAI", "rate_limit_exceeded requests", "m", None, Overloaded),
    ("OpenAI", "insufficient_quota insufficient_quota", OPENAI, None, Rejected),
    (
        "OpenAI",
        "billing_hard_limit_reached invalid_request_error",
        "Billing hard limit has been reached",
        None,
        Rejected,
    ),
    ("OpenAI", "invalid_api_key invalid_request_error", "Incorrect API key provided.", None, Rejected),
    ("OpenAI", "None server_error", "The server had an error with an invalid answer.", None, Unreachable),
    ("Anthropic", "None overloaded_error", "Overloaded", None, Overloaded),
    ("Anthropic", "None rate_limit_error", "m", None, Overloaded),
    ("Anthropic", "None invalid_request_error", CREDIT, None, Rejected),
    ("Anthropic", "None billing_error", CREDIT, None, Rejected),
    ("Anthropic", "None authentication_error", "m", None, Rejected),
    ("Anthropic", "None not_found_error", "m", None, Rejected),
    ("Anthropic", "None request_too_large", "m", None, Rejected),
    ("Anthropic", "None timeout_error", "m", None, Unreachable),
    ("Anthropic", "None api_error", "Internal server error", None, Unreachable),
    ("Gemini", "429 None", GEMINI, 429, Overloaded),
    ("Gemini", "503 None", "The model is overloaded. Please try again later.", 503, Overloaded),
    ("Gemini", "500 None", "An internal error has occurred.", 500, Unreachable),
    ("vLLM", "400 BadRequestError", "This model's maximum context length is 4096 tokens.", 400, Rejected),
    ("vLLM", "None NotFoundError", "m", None, Rejected),
    ("Ollama", "", "model 'x' not found", None, Rejected),
]


@pytest.mark.parametrize(("who", "code", "told", "status", "kind"), SAID, ids=[f"{row[0]} {row[1]}" for row in SAID])
def test_what_is_said_inside_a_stream(
    who: str, code: str, told: str, status: int | None, kind: type[ProviderError]
) -> None:
    assert verdict(told, status, code) is kind
    if status is None:
        assert verdict({"type": "error", "code": code, "message": told}) is kind, "all of it at once"


@pytest.mark.parametrize(
    "told",
    [
        "the author is unlimited",
        "an authority on accreditation",
        "busybody",
        "refund",
        "valid",
        "a permissive quotation",
    ],
)
def test_parts_of_words_say_nothing(told: str) -> None:
    assert verdict(told) is Unreachable
    assert verdict(told, 429) is Overloaded


@pytest.mark.parametrize(
    "told", ["voice_not_found", "voice-not-found", "VoiceNotFound", "VOICE_NOT_FOUND", "Not  found"]
)
def test_a_code_is_words_however_it_is_written(told: str) -> None:
    assert verdict("", code=told) is Rejected


@given(
    st.text() | st.integers() | st.none(),
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    st.text(),
)
def test_anything_has_a_verdict(told: object, status: object, code: str) -> None:
    assert verdict(told, status, code) in (Overloaded, Rejected, Unreachable)
