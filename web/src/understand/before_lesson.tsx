// The same text before and after training.
import { useEffect, useState } from "react";

import { useApp } from "../app_context";
import { visible } from "../format";
import { useWords } from "../i18n";
import { ModelDiffReport } from "../types";
import { Markdown } from "../ui/markdown";
import { Bars, Failure, VersionSelect } from "../ui/pieces";
import { AskForm } from "./ask_form";
import { useAsked } from "./use_asked";

export function BeforeLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.before;
  const { versions } = useApp();
  const [after, setAfter] = useState(model);
  const line = versions.find((v) => v.version === after);
  const [before, setBefore] = useState(line?.parent ?? versions[versions.length - 1]?.version ?? model);
  const [text, setText] = useState(w.sample);
  const asked = useAsked<ModelDiffReport>();
  const { ask } = asked;
  useEffect(() => {
    if (before !== after) void ask("/api/diff-model", { before, after, text, chat: true, max_tokens: 48, k: 6 });
  }, [ask, before, after, text]);
  if (versions.length <= 1) return <p className="note">{words.understand.watch.none}</p>;
  const change = asked.value?.prompts[0];
  const scale = change ? Math.max(...change.next.flatMap((t) => [t.before, t.after])) : 1;
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      <AskForm first={text} busy={asked.busy} ask={setText}>
        <VersionSelect label={words.compare.before} value={before} onChange={setBefore} />
        <VersionSelect label={words.compare.after} value={after} onChange={setAfter} />
      </AskForm>
      {asked.error && <Failure text={asked.error} />}
      {asked.busy && !change && <p className="soft">{words.understand.looking}</p>}
      {change && before !== after && (
        <div className="stack" aria-busy={asked.busy} id="before-after">
          <div className="two">
            <div className="stack tight">
              <h3>
                {w.answerBefore} ({before})
              </h3>
              <Markdown text={change.before_text} />
            </div>
            <div className="stack tight">
              <h3>
                {w.answerAfter} ({after})
              </h3>
              <Markdown text={change.after_text} />
            </div>
          </div>
          <div className="two">
            <div className="stack tight">
              <h3>{w.nextBefore}</h3>
              <Bars second label={w.nextBefore} scale={scale} items={change.next.map((t) => ({ key: String(t.id), label: visible(t.text), value: t.before }))} />
            </div>
            <div className="stack tight">
              <h3>{w.nextAfter}</h3>
              <Bars label={w.nextAfter} scale={scale} items={change.next.map((t) => ({ key: String(t.id), label: visible(t.text), value: t.after }))} />
            </div>
          </div>
        </div>
      )}
    </>
  );
}
