// A wrong answer becomes a fix: the good answer, saved; then, if wanted, a new version that has learnt it.
import { useEffect, useRef, useState } from "react";

import { post } from "../api";
import { useApp } from "../app_context";
import { useWords } from "../i18n";
import { useJob } from "../tune/use_job";
import { Job, Message } from "../types";
import { Failure, Field } from "../ui/pieces";

interface Fix {
  fix: number;
  tag: string;
  held_out_wordings: string[];
}

export function FixCard(props: { version: string; messages: Message[]; bad: string; close: () => void; askAgain: (version: string) => void }) {
  const words = useWords();
  const { refresh, fail, go } = useApp();
  const [good, setGood] = useState("");
  const [contains, setContains] = useState("");
  const [tag, setTag] = useState("fix");
  const [fix, setFix] = useState<Fix | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [job, setJob] = useState<string | null>(null);
  const live = useJob(job);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    if (live.job?.state === "done") void refresh();
  }, [live.job?.state, refresh]);

  const save = async () => {
    setError(null);
    try {
      setFix(await post<Fix>("/api/flag", { version: props.version, messages: props.messages, bad: props.bad, good, tag, contains: contains.trim() === "" ? undefined : contains }));
    } catch (e) {
      setError(String((e as Error).message));
    }
  };
  const learn = async () => {
    try {
      setJob((await post<Job>("/api/jobs", { kind: "fix", tag: fix?.tag, parent: props.version })).id);
    } catch (e) {
      fail(e);
    }
  };

  if (!fix) {
    return (
      <form
        className="fix-card stack"
        onSubmit={(e) => {
          e.preventDefault();
          void save();
        }}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && good.trim() !== "") void save();
          if (e.key === "Escape") props.close();
        }}
      >
        <h3>{words.fix.title}</h3>
        <Field label={words.fix.good}>
          <textarea ref={box} className="input" name="good" rows={3} value={good} onChange={(e) => setGood(e.target.value)} />
        </Field>
        <div className="two">
          <Field label={words.fix.contains}>
            <input className="input" name="contains" value={contains} onChange={(e) => setContains(e.target.value)} />
          </Field>
          <Field label={words.fix.tag}>
            <input className="input" name="tag" value={tag} onChange={(e) => setTag(e.target.value)} />
          </Field>
        </div>
        {error && <Failure text={error} />}
        <div className="row end">
          <button type="button" className="button quiet" onClick={props.close}>
            {words.cancel}
          </button>
          <button type="submit" className="button main" data-action="save-fix" disabled={good.trim() === "" || tag.trim() === ""}>
            {words.fix.save}
          </button>
        </div>
      </form>
    );
  }
  const made = live.job?.version ?? null;
  return (
    <div className="fix-card stack" data-fix={fix.fix}>
      <p className="note good" role="status">
        {words.fix.saved(fix.held_out_wordings.length + 1)}
      </p>
      {!job && (
        <>
          <p className="soft small">{words.fix.learnHint}</p>
          <div className="row end">
            <button className="button quiet" onClick={props.close}>
              {words.close}
            </button>
            <button className="button main" data-action="learn-fix" onClick={() => void learn()}>
              {words.fix.learn}
            </button>
          </div>
        </>
      )}
      {live.job?.state === "running" && (
        <>
          <div className="row apart small">
            <span role="status">
              {words.fix.training}
              {live.total > 0 && `: ${words.tune.ofSteps(live.step, live.total)}`}
            </span>
            <button className="button small stop" onClick={() => void post(`/api/jobs/${live.job?.id}/stop`, {}).catch(fail)}>
              {words.stop}
            </button>
          </div>
          <div className="meter" role="progressbar" aria-valuemin={0} aria-valuemax={live.total} aria-valuenow={live.step}>
            <i style={{ width: `${live.total > 0 ? (100 * live.step) / live.total : 2}%` }} />
          </div>
        </>
      )}
      {live.job?.state === "failed" && <Failure text={live.job.error ?? ""} />}
      {live.job?.state === "stopped" && <p className="note">{words.tune.stopped}</p>}
      {made && (
        <div className="row apart">
          <b data-made={made}>{words.fix.made(made)}</b>
          <span className="row">
            <button className="button main" data-action="try-fix" onClick={() => props.askAgain(made)}>
              {words.fix.tryIt(made)}
            </button>
            <button className="button" onClick={() => go("compare", live.job?.parent ?? props.version, made)}>
              {words.fix.compareIt}
            </button>
          </span>
        </div>
      )}
    </div>
  );
}
