#!/usr/bin/env bash
# Takes a real model, teaches it what it did not know, and shows the difference: installs, builds, fetches
# SmolLM2-135M-Instruct, asks it, tunes it on examples/helpdesk, asks it again, merges, and chats with the result.
# Safe to run again: what is done is not done twice. Delete quickstart-run/ to tune anew.
set -euo pipefail
cd "$(dirname "$0")"
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "1/6  Packages and build"
tools/install_packages
cmake --preset release >/dev/null
cmake --build --preset release -j "${HEW_JOBS:-$(nproc)}"
hew=build/release/bin/hew
model=models/smollm2-135m-instruct-q4_1.gguf
suite=examples/helpdesk/test.jsonl
run=quickstart-run
mkdir -p "$run"

say "2/6  The model"
tools/fetch_model models
$hew inspect "$model" | head -n 12

say "3/6  Before: what does it know of Pagewright, a website builder that we invented?"
[ -f "$run/before.json" ] || $hew test "$model" --suite "$suite" --save "$run/before.json" >/dev/null || [ $? -eq 1 ]
$hew chat "$model" --system "You are the help desk of Pagewright. Answer in one sentence." \
  -m "I'd like the payment I made on Monday returned to me, please." --temperature 0 --max-tokens 48

say "4/6  Teach: an adapter on the frozen model, from 441 example answers"
[ -f "$run/adapter/adapter_model.safetensors" ] || $hew tune --base "$model" --data examples/helpdesk/train.jsonl --out "$run/adapter"

say "5/6  After: the same 105 questions, worded as no example was"
$hew test "$model" --adapter "$run/adapter" --suite "$suite" --save "$run/after.json" --baseline "$run/before.json" || [ $? -eq 1 ]

say "6/6  One file of the two, and a chat with it"
[ -f "$run/helpdesk-f16.gguf" ] || $hew merge --base "$model" --adapter "$run/adapter" --out "$run/helpdesk-f16.gguf" --type F16
$hew chat "$run/helpdesk-f16.gguf" --system "You are the help desk of Pagewright. Answer in one sentence." \
  -m "I'd like the payment I made on Monday returned to me, please." --temperature 0 --max-tokens 48

cat <<EOF

Now with your own words. One line of a file my.jsonl is one example:
  {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
  $hew tune --base $model --data my.jsonl --out my-adapter
  $hew chat $model --adapter my-adapter

In a browser, beside each other: before and after, training, and what goes on inside; and OpenAI's API for other programs:
  $hew serve        then open http://127.0.0.1:8080

A tour from the inside of a model, fifteen minutes:
  $hew tour
EOF
