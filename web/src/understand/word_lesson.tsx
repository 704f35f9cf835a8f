// Remove a word, and see the answer move.
import { useEffect, useState } from "react";

import { useWords } from "../i18n";
import { NextToken, WhyWordReport } from "../types";
import { Bars, Failure, Field } from "../ui/pieces";
import { visible } from "../format";
import { AskForm } from "./ask_form";
import { useAsked } from "./use_asked";
import { without } from "./without";

export function WordLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.word;
  const [text, setText] = useState(w.sample);
  const [answer, setAnswer] = useState("");
  const [removed, setRemoved] = useState<number | null>(null);
  const asked = useAsked<WhyWordReport>();
  const next = useAsked<{ next: NextToken[] }>();
  const { ask } = asked;
  const look = next.ask;
  useEffect(() => {
    setRemoved(null);
    void ask("/api/why-word", { model, text, answer: answer.trim() === "" ? undefined : answer });
  }, [ask, model, text, answer]);
  const report = asked.value;
  const left = report && removed !== null ? without(report, removed) : text;
  useEffect(() => void look("/api/next", { model, text: left, k: 6 }), [look, model, left]);
  const most = report ? Math.max(1e-9, ...report.words.map((x) => Math.abs(x.effect))) : 1;
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      <AskForm first={text} busy={asked.busy} ask={setText}>
        <Answer change={setAnswer} />
      </AskForm>
      {asked.error && <Failure text={asked.error} />}
      {report && (
        <>
          <p className="sentence" role="group" aria-label={w.intro} id="why-words">
            {report.words.map((x, i) => (
              <button
                key={i}
                className="word"
                aria-pressed={removed === i}
                title={`${x.effect >= 0 ? "+" : "−"}${Math.abs(x.effect).toFixed(2)}`}
                data-effect={x.effect}
                data-word={x.word}
                style={{ background: `color-mix(in srgb, var(${x.effect >= 0 ? "--accent" : "--second"}) ${Math.round((42 * Math.abs(x.effect)) / most)}%, transparent)` }}
                onClick={() => setRemoved(removed === i ? null : i)}
              >
                {x.word}
              </button>
            ))}{" "}
            <span className="said">{report.answer}</span>
          </p>
          <h3>{w.effect}</h3>
          <Bars
            label={w.effect}
            plain
            scale={most}
            items={report.words.map((x, i) => ({
              key: String(i),
              label: x.word,
              value: Math.abs(x.effect),
              second: x.effect < 0,
              shown: `${x.effect >= 0 ? "+" : "−"}${Math.abs(x.effect).toFixed(2)}`,
            }))}
          />
          <p className="small soft">{w.hint}</p>
          <h3>{removed === null ? w.kept : `${w.without}: ${left}`}</h3>
          <Bars
            label={words.understand.next.branch}
            scale={Math.max(0.25, next.value?.next[0]?.probability ?? 0)}
            second={removed !== null}
            items={(next.value?.next ?? []).map((t) => ({ key: String(t.id), label: visible(t.text), value: t.probability }))}
          />
        </>
      )}
    </>
  );
}

function Answer({ change }: { change: (text: string) => void }) {
  const words = useWords();
  const [text, setText] = useState("");
  return (
    <div className="grow" style={{ minWidth: 180 }}>
      <Field label={words.understand.word.answer}>
        <input className="input" name="answer" value={text} onChange={(e) => setText(e.target.value)} onBlur={() => change(text)} />
      </Field>
    </div>
  );
}
