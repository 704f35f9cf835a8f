// The job at work, watched: loss as it falls, time left, stop.
import { useEffect, useRef, useState } from "react";

import { get, post } from "../api";
import { useApp } from "../app_context";
import { duration } from "../format";
import { useWords } from "../i18n";
import { Job } from "../types";
import { LineChart } from "../ui/line_chart";
import { Failure } from "../ui/pieces";
import { useJob } from "./use_job";

// Without `id`: whatever is at work, if anything is.
export function RunningJob({ id, done }: { id?: string | null; done?: (job: Job) => void }) {
  const words = useWords();
  const { state, refresh, fail, go, language } = useApp();
  const [found, setFound] = useState<string | null>(null);
  useEffect(() => {
    if (id !== undefined) return;
    get<{ jobs: Job[] }>("/api/jobs").then(
      (list) => setFound(list.jobs.find((j) => j.state === "running")?.id ?? null),
      () => undefined,
    );
  }, [id, state]);
  const live = useJob(id !== undefined ? id : found);
  const job = live.job;
  const told = useRef("");
  useEffect(() => {
    if (!job || job.state === "running" || told.current === job.id) return;
    told.current = job.id;
    void refresh();
    done?.(job);
  }, [job, refresh, done]);
  if (!job) return null;
  const left = live.secondsPerStep > 0 ? live.secondsPerStep * (live.total - live.step) : 0;
  return (
    <section className="card stack" aria-label={words.tune.training} data-job={job.id} data-state={job.state}>
      <div className="row apart">
        <h2>
          {words.tune.kinds[job.kind] ?? job.kind}: {job.title}
        </h2>
        {job.state === "running" ? (
          <button className="button stop" data-action="stop-job" onClick={() => void post(`/api/jobs/${job.id}/stop`, {}).catch(fail)}>
            {words.tune.stop}
          </button>
        ) : (
          <span className={`tag ${job.state}`}>{words.tune.states[job.state]}</span>
        )}
      </div>
      <div className="meter" role="progressbar" aria-label={words.tune.training} aria-valuemin={0} aria-valuemax={live.total || 1} aria-valuenow={live.step}>
        <i style={{ width: `${live.total > 0 ? (100 * live.step) / live.total : 1}%` }} />
      </div>
      <div className="row apart small soft number">
        <span>
          {live.total > 0 ? words.tune.ofSteps(live.step, live.total) : words.loading}
          {live.losses.length > 0 && ` · ${words.tune.loss} ${live.losses[live.losses.length - 1].loss.toFixed(3)}`}
        </span>
        <span>
          {live.tokensPerSecond > 0 && words.versions.perSecond(Math.round(live.tokensPerSecond).toLocaleString(language))}
          {job.state === "running" && left > 0 && ` · ${words.tune.left(duration(left, language))}`}
        </span>
      </div>
      {live.losses.length > 0 && (
        <>
          <p className="small soft">{words.tune.lossHint}</p>
          <LineChart
            label={words.versions.loss}
            xLabel={words.versions.step}
            xMost={live.total}
            lines={[{ name: words.versions.trainLoss, color: "accent", points: live.losses.map((p) => ({ x: p.step, y: p.loss })) }]}
          />
        </>
      )}
      {live.lines.length > 0 && (
        <details>
          <summary className="small soft">{words.tune.log}</summary>
          <pre className="sample">{live.lines.join("\n")}</pre>
        </details>
      )}
      {(job.error || live.error) && job.state === "failed" && <Failure text={job.error ?? live.error ?? ""} />}
      {job.state === "stopped" && (
        <p className="note" role="status">
          {words.tune.stopped}
        </p>
      )}
      {job.state === "done" && job.version && (
        <div className="row apart" role="status">
          <b data-made={job.version}>{words.tune.done(job.version)}</b>
          <span className="row">
            <button className="button main" onClick={() => go("chat", job.version ?? "")}>
              {words.tune.chatWith(job.version)}
            </button>
            {job.parent && (
              <button className="button" onClick={() => go("compare", job.parent ?? "", job.version ?? "")}>
                {words.fix.compareIt}
              </button>
            )}
          </span>
        </div>
      )}
    </section>
  );
}
