"""One chat call with the OpenAI Python client, as a program of its own; the same file runs with 2.x and 3.x."""

import json
import sys

import openai


def main():
    """Reads what to ask from the arguments, prints what the client saw."""
    ask = json.loads(sys.argv[1])
    client = openai.OpenAI(max_retries=0)
    seen = {"client": f"openai-python {openai.__version__}"}
    try:
        if ask.pop("stream", False):
            text, finish, usage = "", None, None
            options = {"stream_options": {"include_usage": True}}
            for chunk in client.chat.completions.create(stream=True, **options, **ask):
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish = choice.finish_reason or finish
            seen |= {"text": text, "finish": finish, "usage": usage and usage.total_tokens}
        else:
            raw = client.chat.completions.with_raw_response.create(**ask)
            answer = raw.parse()
            choice = answer.choices[0]
            seen |= {"text": choice.message.content, "finish": choice.finish_reason}
            seen |= {"usage": answer.usage.total_tokens, "headers": dict(raw.headers)}
    except openai.APIError as error:
        seen |= {"error": type(error).__name__, "message": str(error), "body": error.body}
        seen |= {"status": getattr(error, "status_code", None), "code": error.code}
    print(json.dumps(seen))


main()
