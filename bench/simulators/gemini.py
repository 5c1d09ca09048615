"""A simulated language model: Gemini's streamGenerateContent, as server-sent events, or as an array without `alt=sse`.

Shapes and names as in google-genai 3.4 (`types`), in camelCase or with underscores; words of the refusals as the
service's. A call of a tool comes with a signature, which the next request has to bring back with it, as
in https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from bench.simulators import pace
from bench.simulators.conduct import Conduct, Fate
from bench.simulators.door import Answer, Asked, Behind, Refusal
from parlance.actors.thinker.rehearsal import REPLY

THOUGHT = "**Considering the request** The caller wants an answer."

_FIELDS = frozenset(
    "contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels serviceTier "
    "store continuationToken".split()
)
_CONFIG = frozenset(
    """
    audioTimestamp audioTranscriptionConfig candidateCount enableEnhancedCivicAnswers frequencyPenalty imageConfig
    logprobs maxOutputTokens mediaResolution presencePenalty responseJsonSchema responseLogprobs responseMimeType
    responseModalities responseSchema seed speechConfig stopSequences temperature thinkingConfig topK topP
    """.split()
)
_TOOL = frozenset(
    "codeExecution computerUse fileSearch functionDeclarations googleMaps googleSearch googleSearchRetrieval "
    "mcpServers urlContext".split()
)
_THINKING = frozenset(("includeThoughts", "thinkingBudget", "thinkingLevel"))
_CALLING = frozenset(("mode", "allowedFunctionNames", "streamFunctionCallArguments"))
_DATA = frozenset(
    "text functionCall functionResponse inlineData fileData executableCode codeExecutionResult toolCall "
    "toolResponse".split()
)
_PART = _DATA | {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}
_DECLARED = frozenset("behavior description name parameters parametersJsonSchema response responseJsonSchema".split())
_SCHEMA = frozenset(
    """
    additionalProperties anyOf default defs description enum example format items maxItems maxLength maxProperties
    maximum minItems minLength minProperties minimum nullable pattern properties propertyOrdering ref required title
    type
    """.split()
)
_FUNCTIONS = (("functionCall", "function_call", "args"), ("functionResponse", "function_response", "response"))
_FREE = frozenset(("args", "response", "parametersJsonSchema", "responseJsonSchema", "default", "enum", "example"))
"""What is within them is the client's own."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
FOREIGN = "skip_thought_signature_validator"
"""In place of the signature of a call that another model made."""


async def generate(asked: Asked, answer: Answer, fate: Fate, conduct: Conduct) -> None:
    request = _request(asked.body)
    mode = request.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode")
    thinking = request.get("generationConfig", {}).get("thinkingConfig", {})
    call = pace.chosen(conduct, fate, () if mode == "NONE" else _names(request))
    reply = _called(call) if call else _spoken(conduct.text or REPLY, bool(thinking.get("includeThoughts")))
    if fate is Fate.EMPTY:
        reply = pace.Reply(b"", (), _chunk(None, 0, finishReason="STOP"), _text)
    if asked.first("alt") == "sse":
        await pace.think(answer, fate, conduct, reply)
    else:
        await _array(answer, [*reply.pieces, reply.tail])


async def _array(answer: Answer, events: list[bytes]) -> None:
    """What a client gets who has forgotten `alt=sse`; it has no fate."""
    answer.begin("application/json")
    await answer.piece(b"[" + b",\r\n".join(event.strip().removeprefix(b"data: ") for event in events) + b"]")
    await answer.end()


def _names(request: Mapping[str, Any]) -> set[str]:
    return {one["name"] for tool in request.get("tools", ()) for one in tool.get("functionDeclarations", ())}


def _chunk(parts: list[dict[str, Any]] | None, said: int, **more: Any) -> bytes:
    """`said`: tokens so far."""
    content = {"role": "model"} if parts is None else {"parts": parts, "role": "model"}
    usage = {"promptTokenCount": pace.PROMPT, "candidatesTokenCount": said, "totalTokenCount": pace.PROMPT + said}
    chunk = {
        "candidates": [{"content": content, **more, "index": 0}],
        "usageMetadata": usage,
        "modelVersion": "simulated",
        "responseId": "response-1",
    }
    return pace.event(chunk, newline=b"\r\n")


def _text(text: Any) -> bytes:
    return _chunk([{"text": text}], 1)


@lru_cache(32)
def _spoken(text: str, thoughts: bool) -> pace.Reply:
    head = _chunk([{"text": THOUGHT, "thought": True}], 0) if thoughts else b""
    said = pace.words(text)
    pieces = [_chunk([{"text": word}], number) for number, word in enumerate(said, 1)]
    return pace.Reply(head, pieces, _chunk([{"text": ""}], len(said), finishReason="STOP"), _text)


def _called(call: pace.Call) -> pace.Reply:
    """A call comes whole, in one part."""
    name, mark = call.name, f"function-call-{call.number}"

    def event(arguments: Any) -> bytes:
        function = {"name": name, "args": arguments, "id": mark}
        return _chunk([{"functionCall": function, "thoughtSignature": _signature(name, mark)}], 1)

    return pace.Reply(b"", [event(call.arguments)], _chunk([{"text": ""}], 1, finishReason="STOP"), event)


def _signature(name: object, mark: object) -> str:
    return base64.b64encode(f"signed {name} {mark}".encode()).decode()


def _request(body: bytes) -> dict[str, Any]:
    """The request. Raises `Refusal`."""
    try:
        request = _camel(json.loads(body))
    except ValueError:
        raise Refusal(400, "Invalid JSON payload received. Unexpected token.") from None
    _known(request, _FIELDS, "")
    contents = request.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified\n")
    if "systemInstruction" in request:
        _known(request["systemInstruction"], frozenset(("parts", "role")), "system_instruction")
        _parts(request["systemInstruction"], "system_instruction")
    _known(request.get("generationConfig", {}), _CONFIG, "generation_config")
    _known(
        request.get("generationConfig", {}).get("thinkingConfig", {}), _THINKING, "generation_config.thinking_config"
    )
    _known(request.get("toolConfig", {}), frozenset(("functionCallingConfig", "retrievalConfig")), "tool_config")
    _known(
        request.get("toolConfig", {}).get("functionCallingConfig", {}), _CALLING, "tool_config.function_calling_config"
    )
    if not isinstance(request.get("tools", []), list):
        raise Refusal(400, "Invalid value at 'tools'")
    for at, tool in enumerate(request.get("tools", [])):
        _known(tool, _TOOL, f"tools[{at}]")
        declared = tool.get("functionDeclarations", [])
        if not isinstance(declared, list):
            raise Refusal(400, f"Invalid value at 'tools[{at}]'")
        for number, one in enumerate(declared):
            _declared(one, f"tools[{at}].function_declarations[{number}]")
    for at, content in enumerate(contents):
        _known(content, frozenset(("parts", "role")), f"contents[{at}]")
        if content.get("role", "user") not in ("user", "model"):
            raise Refusal(400, "Please use a valid role: user, model.")
        _parts(content, f"contents[{at}]")
    _turns(contents)
    return dict(request)


def _camel(told: Any) -> Any:
    """Its names in camelCase, as JSON of protocol buffers may have them or not."""
    if isinstance(told, list):
        return [_camel(one) for one in told]
    if not isinstance(told, dict):
        return told
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in told.items()}
    for name, value in named.items():
        if name == "properties" and isinstance(value, dict):
            named[name] = {field: _camel(inner) for field, inner in value.items()}
        elif name not in _FREE:
            named[name] = _camel(value)
    return named


def _known(told: Any, names: frozenset[str], where: str) -> None:
    """Raises `Refusal` unless it is an object with these fields only."""
    if not isinstance(told, dict):
        raise Refusal(400, f"Invalid value at '{where}': expected an object")
    if unknown := sorted(told.keys() - names):
        at = f" at '{where}'" if where else ""
        message = f'Invalid JSON payload received. Unknown name "{unknown[0]}"{at}: Cannot find field.'
        raise Refusal(400, message)


def _parts(content: Mapping[str, Any], where: str) -> None:
    parts = content.get("parts")
    if not isinstance(parts, list) or not parts:
        raise Refusal(400, f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n")
    for at, part in enumerate(parts):
        here = f"{where}.parts[{at}]"
        _known(part, _PART, here)
        if len(part.keys() & _DATA) != 1:
            message = (
                f"* GenerateContentRequest.{here}.data: required oneof field 'data' must have one initialized field"
            )
            raise Refusal(400, message)
        if not isinstance(part.get("text", ""), str):
            raise Refusal(400, f"Invalid value at '{here}.text' (TYPE_STRING)")
        for kind, name, field in _FUNCTIONS:
            if kind in part:
                _known(part[kind], frozenset(("id", "name", field)), f"{here}.{name}")
                if not part[kind].get("name"):
                    raise Refusal(400, f"* GenerateContentRequest.{here}.{name}.name: Name cannot be empty.\n")
                if not isinstance(part[kind].get(field, {}), dict):
                    message = f"Invalid value at '{here}.{name}.{field}' (type.googleapis.com/google.protobuf.Struct)"
                    raise Refusal(400, message)


def _declared(one: Any, where: str) -> None:
    _known(one, _DECLARED, where)
    if not isinstance(one.get("name"), str) or not _NAME.fullmatch(one["name"]):
        message = (
            f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an underscore."
        )
        raise Refusal(400, message)
    if "parameters" in one:
        _schema(one["parameters"], f"{where}.parameters")


def _schema(schema: Any, where: str) -> None:
    """`parameters` are a schema of OpenAPI's kind; what else JSON Schema knows is for `parametersJsonSchema`."""
    _known(schema, _SCHEMA, where)
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise Refusal(400, f"Invalid value at '{where}.properties'")
    for name, inner in properties.items():
        _schema(inner, f"{where}.properties[{name}]")
    if "items" in schema:
        _schema(schema["items"], f"{where}.items")


def _turns(contents: list[dict[str, Any]]) -> None:
    """Calls of tools follow the caller's words or other results, bring back their signatures, and have their results
    in the turn after them.
    """
    spoken = max((at for at, one in enumerate(contents) if _caller(one)), default=-1)
    for at, (content, after) in enumerate(pairwise([{"parts": []}, *contents, {"parts": []}])):
        calls = [part for part in content["parts"] if "functionCall" in part]
        results = [part["functionResponse"] for part in after["parts"] if "functionResponse" in part]
        if len(calls) != len(results):
            raise Refusal(
                400,
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.",
            )
        if calls and (at < 2 or contents[at - 2].get("role") == "model"):
            raise Refusal(
                400,
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn.",
            )
        if at - 1 > spoken and calls:
            _signed(calls[0], at)
        for call, result in zip(calls, results, strict=True):
            if [call["functionCall"].get(name) for name in ("name", "id")] != [result.get(n) for n in ("name", "id")]:
                raise Refusal(400, "Please ensure that function responses have the names and ids of their calls.")


def _caller(content: Mapping[str, Any]) -> bool:
    return content.get("role", "user") == "user" and not any("functionResponse" in part for part in content["parts"])


def _signed(part: Mapping[str, Any], position: int) -> None:
    """The first call of each step of the current turn has its signature."""
    call = part["functionCall"]
    if not (told := part.get("thoughtSignature")):
        raise Refusal(
            400,
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
            "correctly, and missing thought_signature may lead to degraded model performance. Additional data, "
            f"function call `default_api:{call['name']}` , position {position}. Please refer to "
            "https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
        )
    if told not in (_signature(call["name"], call.get("id")), FOREIGN):
        raise Refusal(400, "Corrupted thought signature.")


BEHIND = Behind({f"/{version}/models/*:streamGenerateContent": generate for version in ("v1", "v1beta")})
