"""A real model behind the gateway answers what it answers without it."""

import json
import subprocess
import sys

import httpx
import pytest
from processes import E2E_DIR, ROOT, Gateway, Model, clean_environment, run_client

CLIENTS = ROOT / "tests" / "e2e" / "clients"
NODE_CLIENTS = ROOT / "tests" / "e2e" / "node"
PROMPTS = ["What is the capital of France? Answer in one sentence.", "Count from one to five."]

PROGRAMS = {
    "openai-3": [sys.executable, CLIENTS / "openai_chat.py"],
    "openai-2": [sys.executable, CLIENTS / "openai_chat.py"],
    "langchain-openai": [sys.executable, CLIENTS / "langchain_chat.py"],
    "requests": [sys.executable, CLIENTS / "plain_chat.py", "requests"],
    "httpx": [sys.executable, CLIENTS / "plain_chat.py", "httpx"],
    "openai-npm": ["node", NODE_CLIENTS / "openai_chat.mjs"],
    "ai-sdk": ["node", NODE_CLIENTS / "ai_chat.mjs"],
}


def ask(model, prompt, **more):
    """A deterministic request."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "temperature": 0, "max_tokens": 24, **more}


def post(url, key, body):
    """One plain call; gives the answer."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60, trust_env=False)


def whole_text(answer):
    """What a whole answer says, and how it ended."""
    choice = answer.json()["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def streamed_text(answer):
    """What a stream says, how it ended, and that it ended as streams must."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    payloads = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert payloads[-1] == "[DONE]"
    choices = [choice for payload in payloads[:-1] for choice in json.loads(payload)["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return text, [choice["finish_reason"] for choice in choices if choice.get("finish_reason")][-1]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_gateway_gives_what_the_model_itself_gives_whole_and_streamed(demo, model, prompt):
    direct = whole_text(post(model.url, "none", ask("smollm2", prompt)))
    before = model.calls()
    answer = post(demo.url, demo.key, ask("local/smollm2", prompt))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-goodgate-outcome"] == "ok"
    assert answer.headers["x-goodgate-served-by"] == "local/smollm2"
    assert whole_text(answer) == direct
    stream = post(demo.url, demo.key, ask("local/smollm2", prompt, stream=True))
    assert streamed_text(stream) == streamed_text(post(model.url, "none", ask("smollm2", prompt, stream=True)))
    assert streamed_text(stream) == direct
    assert model.calls() == before + 3, "the model's own log has the two calls through the gateway and the direct one"


def test_different_prompts_give_different_answers(demo):
    texts = {whole_text(post(demo.url, demo.key, ask("local/smollm2", prompt)))[0] for prompt in PROMPTS}
    assert len(texts) == len(PROMPTS)
    assert "The capital of France is Paris." in texts


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", PROGRAMS)
def test_each_client_gets_the_real_answer_through_a_dead_target(demo, request, client, stream):
    program = PROGRAMS[client]
    if program[0] == "node":
        program = [request.getfixturevalue("node"), *program[1:]]
    environment = demo.client_environment()
    if client == "openai-2":
        environment["PYTHONPATH"] = str(E2E_DIR / "openai2")
    seen = run_client(program, ask("first", PROMPTS[0], stream=stream), environment)
    assert "error" not in seen, seen
    assert seen["text"] == "The capital of France is Paris."
    assert seen["finish"] == "stop"
    assert seen["usage"] == 50
    if client.startswith("openai-") and client[-1].isdigit():
        assert seen["client"].startswith(f"openai-python {client[-1]}.")
    if "headers" in seen:
        headers = {name.lower(): value for name, value in seen["headers"].items()}
        assert headers["x-goodgate-outcome"] == "recovered"
        assert headers["x-goodgate-served-by"] == "local/smollm2"
        assert int(headers["x-goodgate-attempts"]) >= 2
        assert headers["x-request-id"].startswith("req_")


def test_after_the_model_is_killed_the_same_call_fails_with_connection_refused(model, start):
    doomed = start(Model, "doomed")
    gateway = start(Gateway, environment={"GOODGATE_LOCAL_MODEL_URL": doomed.url})
    body = ask("local/smollm2", PROMPTS[0])
    assert post(gateway.url, gateway.key, body).status_code == 200
    doomed.kill()
    answer = post(gateway.url, gateway.key, body)
    assert answer.status_code == 502
    told = answer.json()["error"]["goodgate"]
    assert (told["code"], told["group"], told["origin"]) == ("connection_refused", "network", "upstream")
    assert {attempt["code"] for attempt in told["attempts"]} == {"connection_refused"}
    assert answer.headers["x-goodgate-code"] == "connection_refused"


def test_the_pasted_snippet_of_the_start_screen_works(demo):
    """Every command is run as printed, in a shell that knows nothing but PATH."""
    lines = demo.said().splitlines()
    eval_line = next(line.strip() for line in lines if line.strip().startswith("eval "))
    python_line = next(line.strip() for line in lines if line.strip().startswith("python"))
    curl_at = next(index for index, line in enumerate(lines) if "curl -i" in line)
    curl_line = lines[curl_at].strip().removeprefix("or:").strip()
    while curl_line.endswith("\\"):
        curl_at += 1
        curl_line = curl_line[:-1] + lines[curl_at].strip()

    def shell(command):
        python = E2E_DIR / "venv" / "bin"
        environment = clean_environment(PATH=f"{python}:/usr/local/bin:/usr/bin:/bin", HOME=str(demo.folder))
        # The key's file lies in this test's own state folder, not in the person's.
        environment["GOODGATE_STATE_DIR"] = str(demo.state)
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=90, env=environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    assert len(shell(f"{eval_line}\n{python_line}").strip()) > 0
    answer = shell(f"{eval_line}\n{curl_line}").replace("\r\n", "\n")
    assert answer.startswith("HTTP/1.1 200"), answer
    assert "x-goodgate-outcome: recovered" in answer
    assert "x-goodgate-served-by: local/smollm2" in answer
    assert json.loads(answer.split("\n\n", 1)[1])["choices"]


def test_the_list_of_models_names_the_real_one_and_the_scripted_ones(demo):
    headers = {"authorization": f"Bearer {demo.key}"}
    listed = httpx.get(f"{demo.url}/v1/models", headers=headers, timeout=10, trust_env=False).json()
    models = {entry["id"]: entry for entry in listed["data"]}
    assert listed["object"] == "list"
    assert {"local/smollm2", "first", "demo/echo", "demo/flaky-502", "demo/down"} <= set(models)
    assert models["demo/echo"]["owned_by"] == "goodgate-demo"
    assert models["local/smollm2"]["owned_by"] != "goodgate-demo"
