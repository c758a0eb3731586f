"""OpenAI's SDK as its users install it, with its base_url and api_key set. Each function is a case of tests/sdk.rs."""

import json

import openai

from case import fails, leave, main

MODEL = "dashpot-sim"
QUESTION = "Why does variability hurt more than delay?"
REWORDED = "why is it that variability hurts more than a delay"
MESSAGES = [{"role": "user", "content": QUESTION}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}


def client(base_url, http2):
    # Without TLS nothing is negotiated: HTTP/2 is spoken from the first byte, or not at all.
    options = {"http_client": openai.DefaultHttpxClient(http1=False, http2=True)} if http2 else {}
    return openai.OpenAI(base_url=f"{base_url}/v1", api_key="secret", **options)


def chat_whole(client):
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.model == MODEL, answer
    assert answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0, answer


def chat_reworded_whole(client):
    messages = [{"role": "user", "content": REWORDED}]
    answer = client.chat.completions.create(model=MODEL, messages=messages)
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0, answer


def chat_reworded_helper(client):
    messages = [{"role": "user", "content": REWORDED}]
    with client.chat.completions.stream(model=MODEL, messages=messages) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
    answer = stream.get_final_completion()
    assert deltas and "".join(deltas) == answer.choices[0].message.content, (deltas, answer)


def chat_streaming(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["x-accel-buffering"] == "no", "the gateway's layer is not there"
    *chunks, last = stream
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) > 1, chunks
    assert chunks[-1].choices[0].finish_reason == "stop", chunks[-1]
    assert last.choices == [] and last.usage.completion_tokens > 0, last


def chat_helper(client):
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
    answer = stream.get_final_completion()
    assert len(deltas) > 1 and "".join(deltas) == answer.choices[0].message.content, (deltas, answer)


def chat_in_one_piece(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = stream
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) == 1, chunks
    assert chunks[-1].choices[0].finish_reason == "stop", chunks[-1]
    assert last.choices == [] and last.usage.completion_tokens > 0, last


def chat_tools_whole(client):
    messages = [{"role": "user", "content": "How is the weather in Oslo?"}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    [call] = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert call.function.name == "weather" and json.loads(call.function.arguments)["city"], call
    messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "3 degrees"}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content and not answer.choices[0].message.tool_calls, answer


def chat_tools_streaming(client):
    with client.chat.completions.stream(
        model=MODEL, messages=MESSAGES, tools=[TOOL], tool_choice="required"
    ) as stream:
        deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
    answer = stream.get_final_completion()
    [call] = answer.choices[0].message.tool_calls
    assert call.function.name == "weather" and json.loads(call.function.arguments)["city"], call
    assert len(deltas) > 1 and "".join(delta.arguments_delta for delta in deltas) == call.function.arguments, deltas


def responses_whole(client):
    answer = client.responses.create(model=MODEL, input=QUESTION)
    assert answer.status == "completed" and answer.output_text, answer
    assert answer.usage.output_tokens > 0, answer


def responses_streaming(client):
    *events, last = client.responses.create(model=MODEL, input=QUESTION, stream=True)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert last.type == "response.completed", last
    assert len(deltas) > 1 and "".join(deltas) == last.response.output_text, (deltas, last)
    numbers = [event.sequence_number for event in [*events, last]]
    assert numbers == sorted(set(numbers)), numbers


def responses_in_one_piece(client):
    *events, last = client.responses.create(model=MODEL, input=QUESTION, stream=True)
    [delta] = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert last.type == "response.completed" and delta == last.response.output_text, (delta, last)


def completions_whole(client):
    answer = client.completions.create(model=MODEL, prompt=QUESTION)
    assert answer.choices[0].text and answer.usage.completion_tokens > 0, answer


def completions_streaming(client):
    chunks = list(client.completions.create(model=MODEL, prompt=QUESTION, stream=True))
    assert sum(bool(choice.text) for chunk in chunks for choice in chunk.choices) > 1, chunks


def embeddings(client):
    answer = client.embeddings.create(model=MODEL, input=["one damper", "two dampers"])
    assert [item.index for item in answer.data] == [0, 1], answer
    one, two = (item.embedding for item in answer.data)
    assert len(one) == len(two) > 0 and one != two, answer


def models(client):
    assert [model.id for model in client.models.list()], "no models"


def a_bad_request_is_answered_in_kind(client):
    bad = lambda: client.post("/chat/completions", body={"messages": 1}, cast_to=object)
    error = fails(openai.BadRequestError, bad)
    assert error.body["type"] == "invalid_request_error" and error.body["message"], error.body


def status_429(client):
    error = refused(client, openai.RateLimitError, 429)
    assert float(error.response.headers["retry-after"]) > 0, error.response.headers


def status_500(client):
    refused(client, openai.InternalServerError, 500)


def status_503(client):
    refused(client, openai.InternalServerError, 503)


def refusal_of_the_gateway(client):
    error = refused(client, openai.InternalServerError, 503)
    assert float(error.response.headers["retry-after"]) > 0, error.response.headers


def refused(client, kind, status):
    once = client.with_options(max_retries=0)
    error = fails(kind, lambda: once.chat.completions.create(model=MODEL, messages=MESSAGES))
    assert error.status_code == status and error.body["message"], error
    return error


def error_in_mid_stream(client):
    seen, error = broken(client)
    assert seen and type(error) is openai.APIError and error.message, (seen, error)


def truncation(client):
    seen, error = broken(client)
    # A stream that ends in order is no error to this SDK; what is missing is the reason for its end.
    assert seen and error is None, (seen, error)
    assert all(chunk.choices[0].finish_reason is None for chunk in seen), seen


def reset(client):
    seen, error = broken(client)
    assert type(error) is openai.APIConnectionError, (seen, error)


def broken(client):
    """What came of a stream that has no end, and the error after it."""
    seen = []
    try:
        seen.extend(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    except openai.OpenAIError as error:
        return seen, error
    return seen, None


def stream_that_fails_whole(client):
    once = client.with_options(max_retries=0)
    error = fails(
        openai.InternalServerError, lambda: once.chat.completions.create(model=MODEL, messages=MESSAGES)
    )
    assert error.body["message"], error


def client_that_leaves(client):
    stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    leave(client, stream, lambda chunk: chunk.choices[0].delta.content)


main(globals(), client)
