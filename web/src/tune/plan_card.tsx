// Settings, and what they will cost.
import { useState } from "react";

import { useApp } from "../app_context";
import { bytes, count, duration } from "../format";
import { useWords } from "../i18n";
import { Preview } from "../types";
import { Field, Figure } from "../ui/pieces";

export interface Plan {
  name: string;
  parent: string;
  epochs: number;
  rank: number;
  lr: number;
  batchSize: number;
}

export function PlanCard({ preview, plan, change, start }: { preview: Preview; plan: Plan; change: (p: Plan) => void; start: () => void }) {
  const words = useWords();
  const { versions, language, state } = useApp();
  const number = (key: "epochs" | "rank" | "lr" | "batchSize", label: string, least: number, most: number, step: number | "any") => (
    <NumberField key={key} label={label} name={key} least={least} most={most} step={step} value={plan[key]} change={(n) => change({ ...plan, [key]: n })} />
  );
  return (
    <section className="card stack" aria-label={words.tune.settings}>
      <h2>{words.tune.settings}</h2>
      <div className="two">
        <Field label={words.tune.name}>
          <input className="input" name="name" value={plan.name} onChange={(e) => change({ ...plan, name: e.target.value })} />
        </Field>
        <Field label={words.tune.parent}>
          <select className="input" name="parent" value={plan.parent} onChange={(e) => change({ ...plan, parent: e.target.value })}>
            <option value="">{words.tune.fresh}</option>
            {versions
              .filter((v) => v.version !== "v0" && v.made_by !== "merge")
              .map((v) => (
                <option key={v.version} value={v.version}>
                  {v.version} {v.name}
                </option>
              ))}
          </select>
        </Field>
        {number("epochs", words.tune.epochs, 1, 100, 1)}
        {number("rank", words.tune.rank, 1, 256, 1)}
        {number("lr", words.tune.lr, 1e-7, 1, "any")}
        {number("batchSize", words.tune.batch, 1, 1024, 1)}
      </div>
      <div className="row apart">
        <div className="figures">
          <Figure value={duration(preview.seconds, language)} label={words.tune.time} />
          <Figure value={preview.steps.toLocaleString(language)} label={words.tune.steps} />
          <Figure value={bytes(preview.memory_bytes)} label={words.tune.memory} />
          <Figure value={count(preview.trainable_parameters, language)} label={words.tune.trainable} />
        </div>
        <button className="button main" data-action="start-tune" disabled={!state?.workspace} onClick={start}>
          {words.tune.start}
        </button>
      </div>
    </section>
  );
}

// Keeps what is being typed; hands on what is a number within bounds.
function NumberField(props: { label: string; name: string; least: number; most: number; step: number | "any"; value: number; change: (n: number) => void }) {
  const [text, setText] = useState(String(props.value));
  const valid = (t: string) => {
    const n = Number(t);
    return t.trim() !== "" && n >= props.least && n <= props.most && (props.step === "any" || Number.isInteger(n));
  };
  return (
    <Field label={props.label}>
      <input
        className="input"
        type="number"
        name={props.name}
        min={props.least}
        max={props.most}
        step={props.step}
        value={text}
        aria-invalid={!valid(text)}
        onChange={(e) => {
          setText(e.target.value);
          if (valid(e.target.value)) props.change(Number(e.target.value));
        }}
        onBlur={() => !valid(text) && setText(String(props.value))}
      />
    </Field>
  );
}
