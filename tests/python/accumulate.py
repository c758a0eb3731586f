"""What the official SDKs make of streams in files: DIALECT FILE DIALECT FILE ...

Prints a line of JSON for each: the answer as their accumulators leave it, or {"raised": TYPE}.
"""

import json
import sys

import anthropic
import httpx2
import openai


def openai_chat(options):
    client = openai.OpenAI(http_client=openai.DefaultHttpxClient(**options), **ACCOUNT)
    with client.chat.completions.stream(model="m", messages=[]) as stream:
        stream.until_done()
    # The final completion is for texts in a wanted format, and refuses some finish reasons.
    return stream.current_completion_snapshot


def openai_responses(options):
    client = openai.OpenAI(http_client=openai.DefaultHttpxClient(**options), **ACCOUNT)
    with client.responses.stream(model="m", input="") as stream:
        *_, last = stream
    # It has no final response to give for one that is incomplete, and leaves some errors to who reads the events.
    match last.type:
        case "response.completed":
            return stream.get_final_response()
        case "response.incomplete":
            return last.response
        case error:
            raise openai.OpenAIError(error)


def anthropic_messages(options):
    client = anthropic.Anthropic(http_client=anthropic.DefaultHttpxClient(**options), **ACCOUNT)
    with client.messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        return stream.get_final_message()


ACCOUNT = {"api_key": "secret", "base_url": "http://127.0.0.1:9", "max_retries": 0}
DIALECTS = {
    "openai-chat": openai_chat,
    "openai-responses": openai_responses,
    "anthropic-messages": anthropic_messages,
}


def answer(dialect, file):
    with open(file, "rb") as stream:
        body = stream.read()
    answered = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    try:
        made = DIALECTS[dialect]({"transport": httpx2.MockTransport(lambda request: answered)})
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        return {"raised": type(error).__name__}
    return made.to_dict(mode="json")


arguments = iter(sys.argv[1:])
for dialect, file in zip(arguments, arguments):
    print(json.dumps(answer(dialect, file)))
