"""Makes a GGUF of a few MiB whose every answer is known, for llama.cpp's real server.

The network is a Llama of one layer with hand-made weights: attention and feed-forward are zero, each token's embedding is
a unit vector, and the output matrix says which token follows which. So it walks a chain of tokens, whatever the
temperature. The chat template ends the prompt with a token that names the answer: the beginning of a chain.

An emoji is written by byte tokens, so that it is split over four steps of the stream.
"""

import pathlib
import sys

import gguf
import numpy

WIDTH = 768
TEXT = "A text that is known to the letter: 1, 2, 3."
EMOJI = "ok 🎉 fine"
LONG = " ".join(f"word{number}" for number in range(60))
CALLS = (
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Berlin"}}\n</tool_call>\n'
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "unit": "C"}}\n</tool_call>'
)
RESULTS = "Berlin has 7 degrees, Oslo has 2."

# Which answer is given: after tool results, when tools are offered, or by a word in the last message.
TEMPLATE = """\
{%- if tools %}<|im_start|>system
You have these tools:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
Answer with <tool_call>
{"name": NAME, "arguments": ARGUMENTS}
</tool_call><|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content %}{{ message.content }}{% endif %}
{%- if message.tool_calls %}{% for call in message.tool_calls %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% set last = messages[-1] -%}
{%- if last.role == 'tool' %}<|say-results|>
{%- elif tools %}<|say-calls|>
{%- elif 'emoji' in (last.content or '') %}<|say-emoji|>
{%- elif 'long' in (last.content or '') %}<|say-long|>
{%- else %}<|say-text|>{% endif %}
{%- endif -%}
"""

ANSWERS = {
    "<|say-text|>": TEXT,
    "<|say-emoji|>": EMOJI,
    "<|say-long|>": LONG,
    "<|say-calls|>": CALLS,
    "<|say-results|>": RESULTS,
}
CONTROL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", *ANSWERS]


def pieces(text, used):
    """Splits a text into pieces that occur nowhere else: what follows a token depends on that token alone."""
    at = 0
    while at < len(text):
        if ord(text[at]) > 0xFFFF:
            for byte in text[at].encode():
                yield f"<0x{byte:02X}>"
            at += 1
            continue
        for length in range(3, 24):
            piece = text[at : at + length].replace(" ", "\u2581")
            if piece not in used and all(ord(character) <= 0xFFFF for character in piece):
                break
        used.add(piece)
        yield piece
        at += length


def build(path):
    """Writes the file."""
    tokens = [*CONTROL, *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * (len(CONTROL) - 1), *[gguf.TokenType.BYTE] * 256]
    end, used, follows = tokens.index("<|im_end|>"), set(), {}
    for start, text in ANSWERS.items():
        before = tokens.index(start)
        for piece in pieces(text, used):
            if piece not in tokens:
                tokens.append(piece)
                kinds.append(gguf.TokenType.NORMAL)
            follows[before] = before = tokens.index(piece)
        follows[before] = end
    assert len(tokens) <= WIDTH, f"{len(tokens)} tokens do not fit into {WIDTH} dimensions"

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("goodgate made model")
    writer.add_block_count(1)
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(32)
    writer.add_head_count(12)
    writer.add_head_count_kv(12)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // 12)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(end)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)

    def matrix(rows, columns):
        return numpy.zeros((rows, columns), dtype=numpy.float32)

    embedding, output = matrix(len(tokens), WIDTH), matrix(len(tokens), WIDTH)
    for token in range(len(tokens)):
        embedding[token, token] = 1.0
        output[follows.get(token, end), token] = 10.0
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    ones = numpy.ones(WIDTH, dtype=numpy.float32)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", ones)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        writer.add_tensor(f"blk.0.{name}.weight", matrix(WIDTH, WIDTH))
    writer.add_tensor("blk.0.ffn_gate.weight", matrix(32, WIDTH))
    writer.add_tensor("blk.0.ffn_up.weight", matrix(32, WIDTH))
    writer.add_tensor("blk.0.ffn_down.weight", matrix(WIDTH, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    build(pathlib.Path(sys.argv[1]))
