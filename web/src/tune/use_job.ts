// A job of the server, followed by its events from the beginning.
import { useEffect, useState } from "react";

import { follow, isAbort } from "../api";
import { CurvePoint, Job, JobEvent } from "../types";

export interface LiveJob {
  job: Job | null;
  losses: CurvePoint[];
  step: number;
  total: number;
  tokensPerSecond: number;
  secondsPerStep: number;
  lines: string[];
  error: string | null;
}

const kNothing: LiveJob = { job: null, losses: [], step: 0, total: 0, tokensPerSecond: 0, secondsPerStep: 0, lines: [], error: null };

export function advance(now: LiveJob, event: JobEvent): LiveJob {
  switch (event.type) {
    case "step":
      return {
        ...now,
        losses: [...now.losses, { step: event.step, loss: event.loss }],
        step: event.step,
        total: event.total_steps,
        tokensPerSecond: event.tokens_per_s,
        secondsPerStep: now.secondsPerStep === 0 ? event.seconds : 0.8 * now.secondsPerStep + 0.2 * event.seconds,
      };
    case "progress":
      return { ...now, step: event.done, total: event.total };
    case "say":
      return { ...now, lines: [...now.lines, event.text].slice(-200) };
    case "state":
      return { ...now, job: event.job };
  }
}

export function useJob(id: string | null): LiveJob {
  const [live, setLive] = useState<LiveJob>(kNothing);
  useEffect(() => {
    setLive(kNothing);
    if (id === null) return undefined;
    const abort = new AbortController();
    // Events come fast; they are shown together, once a frame.
    let waiting: JobEvent[] = [];
    let frame = 0;
    const show = () => {
      frame = 0;
      const events = waiting;
      waiting = [];
      setLive((now) => events.reduce(advance, now));
    };
    follow(`/api/jobs/${id}/events`, abort.signal, (data) => {
      waiting.push(JSON.parse(data) as JobEvent);
      if (frame === 0) frame = window.setTimeout(show, 60);
    }).catch((error) => {
      if (!isAbort(error)) setLive((now) => ({ ...now, error: String((error as Error).message) }));
    });
    return () => {
      abort.abort();
      clearTimeout(frame);
    };
  }, [id]);
  return live;
}
