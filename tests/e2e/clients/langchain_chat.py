"""One chat call with langchain-openai, as a program of its own."""

import json
import sys

import openai
from langchain_openai import ChatOpenAI


def main():
    """Reads what to ask from the arguments, prints what the client saw."""
    ask = json.loads(sys.argv[1])
    stream = ask.pop("stream", False)
    messages = [(message["role"], message["content"]) for message in ask.pop("messages")]
    chat = ChatOpenAI(max_retries=0, stream_usage=True, **ask)
    seen = {"client": "langchain-openai"}
    try:
        if stream:
            whole = None
            for chunk in chat.stream(messages):
                whole = chunk if whole is None else whole + chunk
        else:
            whole = chat.invoke(messages)
        seen |= {"text": whole.content, "finish": whole.response_metadata["finish_reason"]}
        seen |= {"usage": whole.usage_metadata["total_tokens"]}
    except openai.APIError as error:
        seen |= {"error": type(error).__name__, "message": str(error), "body": error.body}
    print(json.dumps(seen))


main()
