"""Anthropic's SDK as its users install it, with its base_url and api_key set. Each function is a case of tests/sdk.rs."""

import anthropic
import httpx2

from case import fails, leave, main

ASK = {
    "model": "dashpot-sim",
    "max_tokens": 256,
    "messages": [{"role": "user", "content": "Why does variability hurt more than delay?"}],
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "The weather now.", "input_schema": SCHEMA}


def client(base_url, http2):
    # Without TLS nothing is negotiated: HTTP/2 is spoken from the first byte, or not at all.
    options = {"http_client": anthropic.DefaultHttpxClient(http1=False, http2=True)} if http2 else {}
    return anthropic.Anthropic(base_url=base_url, api_key="secret", **options)


def messages_whole(client):
    answer = client.messages.create(**ASK)
    [block] = answer.content
    assert block.type == "text" and block.text, answer
    assert answer.stop_reason == "end_turn", answer
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer


def messages_streaming(client):
    with client.messages.stream(**ASK) as stream:
        assert stream.response.headers["x-accel-buffering"] == "no", "the gateway's layer is not there"
        texts = list(stream.text_stream)
    answer = stream.get_final_message()
    assert len(texts) > 1 and "".join(texts) == answer.content[0].text, (texts, answer)
    assert answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0, answer


def messages_in_one_piece(client):
    with client.messages.stream(**ASK) as stream:
        [text] = stream.text_stream
    answer = stream.get_final_message()
    assert text == answer.content[0].text and answer.stop_reason == "end_turn", (text, answer)
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer


def messages_raw_events(client):
    kinds = [event.type for event in client.messages.create(**ASK, stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"], kinds
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds


def tools_whole(client):
    messages = [{"role": "user", "content": "How is the weather in Oslo?"}]
    ask = {**ASK, "messages": messages, "tools": [TOOL]}
    answer = client.messages.create(**ask)
    call = answer.content[-1]
    assert answer.stop_reason == "tool_use" and call.name == "weather" and call.input["city"], answer
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "3 degrees"}
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(**ask)
    assert answer.stop_reason == "end_turn" and answer.content[0].text, answer


def tools_streaming(client):
    with client.messages.stream(**ASK, tools=[TOOL], tool_choice={"type": "any"}) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
    answer = stream.get_final_message()
    call = answer.content[-1]
    assert answer.stop_reason == "tool_use" and call.name == "weather" and call.input["city"], answer
    assert len(pieces) > 1, pieces


def a_bad_request_is_answered_in_kind(client):
    bad = lambda: client.post("/v1/messages", body={"messages": 1}, cast_to=object)
    error = fails(anthropic.BadRequestError, bad)
    assert error.type == "invalid_request_error" and error.api_message, error.body


def status_429(client):
    error = refused(client, anthropic.RateLimitError, 429, "rate_limit_error")
    assert float(error.response.headers["retry-after"]) > 0, error.response.headers


def status_500(client):
    refused(client, anthropic.InternalServerError, 500, "api_error")


def status_503(client):
    refused(client, anthropic.ServiceUnavailableError, 503, "api_error")


def refusal_of_the_gateway(client):
    error = refused(client, anthropic.ServiceUnavailableError, 503, "overloaded_error")
    assert float(error.response.headers["retry-after"]) > 0, error.response.headers


def status_529(client):
    refused(client, anthropic.OverloadedError, 529, "overloaded_error")


def refused(client, kind, status, type):
    once = client.with_options(max_retries=0)
    error = fails(kind, lambda: once.messages.create(**ASK))
    assert error.status_code == status and error.type == type and error.api_message, error
    return error


def error_in_mid_stream(client):
    seen, error = broken(client)
    assert seen and isinstance(error, anthropic.APIStatusError) and error.type, (seen, error)


def truncation(client):
    seen, error = broken(client)
    # A stream that ends in order is no error to this SDK; what is missing is the event for its end.
    assert seen and error is None, (seen, error)
    assert all(event.type not in ["message_delta", "message_stop"] for event in seen), seen


def reset(client):
    seen, error = broken(client)
    # While a stream is read, this SDK lets the errors of its HTTP client through as they are.
    assert isinstance(error, httpx2.RemoteProtocolError), (seen, error)


def broken(client):
    """What came of a stream that has no end, and the error after it."""
    seen = []
    try:
        seen.extend(client.messages.create(**ASK, stream=True))
    except (anthropic.AnthropicError, httpx2.HTTPError) as error:
        return seen, error
    return seen, None


def stream_that_fails_whole(client):
    once = client.with_options(max_retries=0)
    error = fails(anthropic.InternalServerError, lambda: once.messages.create(**ASK))
    assert error.api_message, error.body


def client_that_leaves(client):
    stream = client.messages.create(**ASK, stream=True)
    leave(client, stream, lambda event: event.type == "content_block_delta")


main(globals(), client)
