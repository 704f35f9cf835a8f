"""Files that strangers might send, made byte by byte: each case is a name, bytes, and what the one line of the refusal must
mention. Used by hostile_test.py. Not a test."""
import json
import struct

U8, U32, F32, BOOL, TEXT, ARRAY, U64 = 0, 4, 6, 7, 8, 9, 10
BIG = 2**62


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(kind, count, values=b""):
    return struct.pack("<IQ", kind, count) + values


def tensor(name, dims, kind=0, offset=0):
    return text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<q", d) for d in dims) + struct.pack("<IQ", kind, offset)


def gguf(entries=(), tensors=(), data=bytes(4096), magic=b"GGUF", version=3, tensor_count=None, entry_count=None):
    entries = [entry("general.architecture", TEXT, text("llama")), *entries]
    out = magic + struct.pack("<IQQ", version, len(tensors) if tensor_count is None else tensor_count, len(entries) if entry_count is None else entry_count)
    out += b"".join(entries) + b"".join(tensors)
    return out + bytes(-len(out) % 32) + data


def gguf_cases():
    def key(*args):
        return gguf([entry(*args)])

    def of(*tensors, data=bytes(4096)):
        return gguf(tensors=tensors, data=data)

    def alignment(value):
        return key("general.alignment", U32, struct.pack("<I", value))

    strings = array(TEXT, 2, text("a") + text("b"))
    return [
        ("empty", b"", "magic"), ("three bytes", b"GGU", "magic"), ("bad magic", gguf(magic=b"GGML"), "magic"),
        *((f"version {v}", gguf(version=v), "version") for v in (0, 1, 4, 3 << 24)),
        ("tensor count", gguf(tensor_count=2**64 - 1), "tensor count"), ("metadata count", gguf(entry_count=2**64 - 1), "metadata count"),
        ("key length", gguf([struct.pack("<Q", 2**40) + b"x"]), "key"), ("empty key", key("", U8, b"\1"), "key"),
        ("key twice", gguf([entry("a", U8, b"\1")] * 2), "twice"), ("key no UTF-8", key(b"\xff\xfe", U8, b"\1"), "UTF-8"),
        ("unknown type", key("x", 13, bytes(8)), "found 13"), ("text past the end", key("x", TEXT, struct.pack("<Q", 2**20)), "metadata x"),
        ("array of 2^30", key("x", ARRAY, array(U64, 2**30)), "metadata x"), ("arrays in arrays", key("x", ARRAY, array(ARRAY, 1) * 10001), "metadata x"),
        ("bool 2", key("x", BOOL, b"\2"), "found 2"), *((f"alignment {a}", alignment(a), "general.alignment") for a in (0, 13, 2**31)),
        ("alignment of text", key("general.alignment", TEXT, text("32")), "general.alignment"),
        ("five dimensions", of(tensor("t", [1] * 5)), "found 5"), ("dimension 0", of(tensor("t", [4, 0])), "found 0"), ("dimension -1", of(tensor("t", [4, -1])), "found -1"),
        ("product", of(tensor("t", [BIG, BIG])), "tensor t"), ("byte size", of(tensor("t", [BIG])), "tensor t"), ("padding", of(tensor("t", [2**63 - 1], 24)), "tensor t"),
        ("sum", of(tensor("t", [4], 0, 2**64 - 32)), "tensor t"), ("tensor type", of(tensor("t", [32], 1000)), "1000"), ("row and block", of(tensor("t", [48], 2)), "multiple of 32"),
        ("misaligned", of(tensor("t", [4], 0, 8)), "multiple of 32"), ("overlap", of(tensor("a", [16]), tensor("b", [4], 0, 32)), "overlap"),
        ("tensor twice", of(tensor("a", [4]), tensor("a", [4], 0, 32)), "twice"), ("data cut", of(tensor("t", [64]), data=bytes(200)), "tensor t"),
        ("scores and tokens", gguf([entry("tokenizer.ggml.tokens", ARRAY, strings), entry("tokenizer.ggml.scores", ARRAY, array(F32, 1, bytes(4)))]), "tokenizer.ggml.scores"),
        ("heads 0", gguf([entry("llama.attention.head_count", U32, bytes(4)), entry("llama.embedding_length", U32, struct.pack("<I", 32)),
                          entry("llama.block_count", U32, struct.pack("<I", 1)), entry("llama.feed_forward_length", U32, struct.pack("<I", 32)),
                          entry("llama.context_length", U32, struct.pack("<I", 64)), entry("llama.vocab_size", U32, struct.pack("<I", 32)),
                          entry("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5))]), "head_count"),
        ("wrong array", key("tokenizer.ggml.tokens", ARRAY, array(U8, 2, b"ab")), "tokenizer.ggml.tokens"),
    ]


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(header)) + header + data


def safetensors_cases():
    def one(dtype="F32", shape=(2,), offsets=(0, 8), data=bytes(8)):
        return safetensors({"t": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, data)

    def two(first, second):
        return safetensors({n: {"dtype": "U8", "shape": [4], "data_offsets": o} for n, o in (("a", first), ("b", second))}, bytes(8))

    twice = '{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    return [
        ("seven bytes", b"1234567", "found 7"), ("header of 100 MB", struct.pack("<Q", 100_000_001) + b"{}", "100000001"), ("header past the end", struct.pack("<Q", 500) + b"{}", "found 500"),
        ("no UTF-8", safetensors(b'{"\xff":1}'), "UTF-8"), ("no JSON", safetensors("{nonsense"), "header"), ("no brace", safetensors(" {}"), "'{'"), ("name twice", safetensors(twice, b"x"), "twice"),
        ("overlap", two((0, 4), (2, 6)), "overlap"), ("hole", two((0, 4), (5, 9)), "tensor b"), ("trailing bytes", one(data=bytes(9)), "found 9"), ("begin and end", one(offsets=(8, 0)), "begin"),
        ("negative offset", one(offsets=(-1, 7)), "found -1"), ("fractional offset", one(offsets=(0, 8.5)), "8.5"), ("shape overflow", one(shape=(BIG, BIG)), "shape"),
        ("shape and range", one(shape=(3,)), "expected 12 bytes"), ("dtype", one(dtype="F8_E4M3"), "F8_E4M3"), ("metadata", safetensors({"__metadata__": {"a": 1}}), "__metadata__"),
    ]


def template_cases():
    return [
        ("unclosed block", "{% for m in messages %}", "line 1"), ("unknown filter", "{{ 1|frobnicate }}", "frobnicate"), ("self-calling macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "100"),
        ("range", "{% for i in range(10**9) %}x{% endfor %}", "line 1"), ("150 parentheses", "{{ " + "(" * 150 + "1" + ")" * 150 + " }}", "line 1"),
        ("doubling text", "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "line 1"), ("division by zero", "{{ 1 / 0 }}", "zero"),
        ("host objects", "{{ ''.__class__.__mro__ }}", "__class__"),
    ]


def row_cases():
    """Rows behind one that is good; each names its line."""
    good = '{"prompt": "a", "completion": "b"}\n'
    return [
        ("half a last line", good + '{"prompt": "a', ":2"), ("array row", good + "[1, 2]\n", ":2"), ("missing field", good + '{"prompt": "a"}\n', ":2"), ("lone surrogate", good + '{"prompt": "\\ud800", "completion": "b"}\n', ":2"),
        ("two objects", good + '{"text": "a"} {"text": "b"}\n', ":2"), ("100 MB line", good + '{"text": "' + "x" * (100 << 20) + '"}\n', ":2"),
    ]


def tokenizer_cases(good):
    """Changes of a good tokenizer.json."""
    def changed(change):
        value = json.loads(good)
        change(value)
        return json.dumps(value)

    def split(pattern):
        return {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": pattern}}

    vocab = json.loads(good)["model"]["vocab"]
    first, second, *_ = vocab
    return [
        ("not JSON", "{", "tokenizer.json"), ("depth 100,000", "[" * 100_000, "levels"), ("id twice", changed(lambda v: v["model"]["vocab"].update({second: vocab[first]})), "an id of its own"),
        ("id 2^31", changed(lambda v: v["model"]["vocab"].update({second: 2**31})), "expected an id"), ("merge of an unknown token", changed(lambda v: v["model"]["merges"].append(["q" * 50, "zz"])), "merge"),
        ("unknown component", changed(lambda v: v.update(pre_tokenizer={"type": "Magic"})), "'Magic'"), ("broken pattern", changed(lambda v: v.update(pre_tokenizer=split("(("))), "'(('"),
        ("unknown model", changed(lambda v: v["model"].update(type="WordPiece")), "WordPiece"),
    ]
