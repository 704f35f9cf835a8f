// The same text asked of one version after another, or of the saved steps of one run.
import { useEffect, useState } from "react";

import { isVersion, useApp } from "../app_context";
import { percent, visible } from "../format";
import { useWords } from "../i18n";
import { WatchReport } from "../types";
import { LineChart } from "../ui/line_chart";
import { Markdown } from "../ui/markdown";
import { Bars, Failure, Slider, VersionSelect } from "../ui/pieces";
import { AskForm } from "./ask_form";
import { useAsked } from "./use_asked";

export function WatchLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.watch;
  const { versions } = useApp();
  const [of, setOf] = useState(model);
  const [text, setText] = useState(w.sample);
  const [at, setAt] = useState(0);
  const asked = useAsked<WatchReport>();
  const { ask } = asked;
  useEffect(() => {
    if (of !== "v0" && isVersion(of)) void ask("/api/watch", { model: of, text, chat: true, max_tokens: 32 }).then((r) => r && setAt(r.points.length - 1));
  }, [ask, of, text]);
  if (!versions.some((v) => isVersion(v.version) && v.version !== "v0")) return <p className="note">{w.none}</p>;
  const report = asked.value;
  const point = report?.points[Math.min(at, report.points.length - 1)];
  const followed = report?.prompts[0]?.followed;
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      <AskForm first={text} busy={asked.busy} ask={setText}>
        <VersionSelect label={words.understand.model} value={of} onChange={setOf} />
      </AskForm>
      {asked.error && <Failure text={asked.error} />}
      {asked.busy && !report && <p className="soft">{words.understand.looking}</p>}
      {of === "v0" && <p className="note">{words.understand.adapter.none}</p>}
      {report && point && of !== "v0" && (
        <div className="stack" id="watch" aria-busy={asked.busy} data-points={report.points.length}>
          <Slider label={w.step} value={Math.min(at, report.points.length - 1)} least={0} most={report.points.length - 1} step={1} onChange={setAt} show={point.name} />
          {report.points.length > 1 && followed && (
            <LineChart
              label={visible(followed.text)}
              xLabel={w.step}
              lines={[
                {
                  name: visible(followed.text),
                  color: "accent",
                  dots: true,
                  points: report.points.map((p, i) => ({ x: p.step ?? i, y: Math.exp(p.answers[0]?.followed_logprob ?? -99) })),
                },
              ]}
            />
          )}
          {point.answers.map((a) => (
            <div className="stack tight" key={a.prompt} data-followed={a.followed_logprob ?? ""}>
              <h3>
                {point.name}
                {point.loss !== null && <span className="soft"> · {words.tune.loss} {point.loss.toFixed(3)}</span>}
                {followed && a.followed_logprob !== null && (
                  <span className="soft">
                    {" "}
                    · {visible(followed.text)} {percent(Math.exp(a.followed_logprob))}
                  </span>
                )}
              </h3>
              {a.text && <Markdown text={a.text} />}
              <Bars label={words.understand.next.branch} scale={1} items={a.next.map((t) => ({ key: String(t.id), label: visible(t.text), value: t.probability }))} />
            </div>
          ))}
        </div>
      )}
    </>
  );
}
