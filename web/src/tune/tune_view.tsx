// Drop a file, see what will be learned, start, watch.
import { useCallback, useEffect, useRef, useState } from "react";

import { get, post } from "../api";
import { useApp } from "../app_context";
import { useWords } from "../i18n";
import { Job, Preview } from "../types";
import { Icon } from "../ui/icons";
import { Failure, NoWorkspace, PageHead } from "../ui/pieces";
import { Plan, PlanCard } from "./plan_card";
import { PreviewCard } from "./preview_card";
import { RunningJob } from "./running_job";

export function TuneView() {
  const words = useWords();
  const { state } = useApp();
  const [preview, setPreview] = useState<Preview | null>(null);
  const [reading, setReading] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [job, setJob] = useState<string | null>(null);
  const shown = useRef(0);
  const [plan, setPlan] = useState<Plan>({ name: "", parent: "", epochs: 3, rank: 16, lr: 0.0005, batchSize: 8 });

  useEffect(() => {  // a job at work is shown again when one comes back
    get<{ jobs: Job[] }>("/api/jobs").then(
      (list) => setJob((now) => now ?? list.jobs.find((j) => j.state === "running")?.id ?? null),
      () => undefined,
    );
  }, []);

  const read = useCallback(async (file: File) => {
    setError(null);
    setReading(true);
    setPreview(null);
    try {
      setPreview(await post<Preview>(`/api/data?name=${encodeURIComponent(file.name)}`, file));
      setPlan((p) => ({ ...p, name: p.name || file.name.replace(/\..*$/, "").replace(/[^\w가-힣-]+/g, "-") }));
    } catch (e) {
      setError(String((e as Error).message));
    } finally {
      setReading(false);
    }
  }, []);

  const show = useCallback(
    async (row: number, p: Plan) => {
      if (!preview) return;
      const turn = ++shown.current;
      try {
        const next = await get<Preview>(`/api/data/${preview.data}/preview?row=${row}&epochs=${p.epochs}&rank=${p.rank}&batch_size=${p.batchSize}`);
        if (turn === shown.current) setPreview(next); // an earlier question may be answered later
      } catch (e) {
        setError(String((e as Error).message));
      }
    },
    [preview],
  );

  const start = async () => {
    if (!preview) return;
    setError(null);
    try {
      const begun = await post<Job>("/api/jobs", {
        kind: "tune",
        data: preview.data,
        name: plan.name || undefined,
        parent: plan.parent || undefined,
        epochs: plan.epochs,
        rank: plan.rank,
        lr: plan.lr,
        batch_size: plan.batchSize,
      });
      setJob(begun.id);
    } catch (e) {
      setError(String((e as Error).message));
    }
  };

  return (
    <div className="page">
      <PageHead title={words.tune.title} hint={words.tune.hint} />
      {state && !state.workspace && <NoWorkspace />}
      {job && <RunningJob id={job} />}
      {error && <Failure text={error} />}
      {preview ? (
        <>
          <PreviewCard preview={preview} show={(row) => void show(row, plan)} other={() => setPreview(null)} />
          <PlanCard
            preview={preview}
            plan={plan}
            change={(p) => {
              setPlan(p);
              void show(preview.row, p);
            }}
            start={() => void start()}
          />
        </>
      ) : (
        <Drop reading={reading} take={(file) => void read(file)} />
      )}
    </div>
  );
}

function Drop({ reading, take }: { reading: boolean; take: (file: File) => void }) {
  const words = useWords();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <label
        className={over ? "drop over" : "drop"}
        onDragOver={(e) => {
          e.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(e) => {
          e.preventDefault();
          setOver(false);
          if (e.dataTransfer.files.length > 0) take(e.dataTransfer.files[0]);
        }}
      >
        <Icon name="file" size={34} />
        <b>{reading ? words.tune.reading : words.tune.drop}</b>
        <span className="soft small">{words.tune.choose}</span>
        <input
          ref={input}
          id="data-file"
          className="hidden-text"
          type="file"
          accept=".jsonl,.json,.txt,.gz"
          onChange={(e) => {
            if (e.target.files && e.target.files.length > 0) take(e.target.files[0]);
            e.target.value = "";
          }}
        />
      </label>
      <p className="small soft">
        <code>{words.tune.format}</code>
      </p>
    </>
  );
}
