// Small shared pieces.
import { ReactNode, useId } from "react";

import { labelOf, useApp } from "../app_context";
import { percent } from "../format";
import { useWords } from "../i18n";

export function PageHead({ title, hint, children }: { title: string; hint: string; children?: ReactNode }) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        <p>{hint}</p>
      </div>
      {children}
    </header>
  );
}

export function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <label className="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

export function VersionSelect(props: { label: string; value: string; onChange: (version: string) => void; id?: string; bare?: boolean }) {
  const { versions } = useApp();
  const words = useWords();
  const select = (
    <select id={props.id} className="input" aria-label={props.bare ? props.label : undefined} value={props.value} onChange={(e) => props.onChange(e.target.value)}>
      {versions.map((v) => (
        <option key={v.version} value={v.version}>
          {labelOf(v, words.base)}
        </option>
      ))}
    </select>
  );
  return props.bare ? select : <Field label={props.label}>{select}</Field>;
}

export function Figure({ value, label }: { value: ReactNode; label: string }) {
  return (
    <div className="figure">
      <b>{value}</b>
      <span>{label}</span>
    </div>
  );
}

export function Failure({ text, retry }: { text: string; retry?: () => void }) {
  const words = useWords();
  return (
    <div className="note bad row apart" role="alert">
      <span>
        {words.failed}: {text}
      </span>
      {retry && (
        <button className="button small" onClick={retry}>
          {words.retry}
        </button>
      )}
    </div>
  );
}

export function NoWorkspace() {
  return <p className="note">{useWords().noWorkspace}</p>;
}

export interface BarItem {
  key: string;
  label: string;
  value: number; // share of 1
  note?: string;
  shown?: string; // instead of the percentage
  second?: boolean; // in the second colour
  data?: Record<string, string>;
}

// Horizontal bars; buttons when they can be chosen. `scale` is the value of a full bar.
export function Bars(props: { items: BarItem[]; label: string; onChoose?: (key: string) => void; second?: boolean; scale?: number; plain?: boolean }) {
  const scale = props.scale ?? Math.max(1e-12, ...props.items.map((i) => i.value));
  const Row = props.onChoose ? "button" : "div";
  return (
    <ul className={props.items.some((i) => i.note) ? "bars noted" : "bars"} aria-label={props.label}>
      {props.items.map((item) => (
        <li key={item.key}>
          <Row
            className="bar"
            {...(props.onChoose ? { type: "button" as const, onClick: () => props.onChoose?.(item.key) } : {})}
            {...Object.fromEntries(Object.entries(item.data ?? {}).map(([k, v]) => [`data-${k}`, v]))}
          >
            {props.plain ? <span>{item.label}</span> : <code title={item.label}>{item.label}</code>}
            <span className="track">
              <span className={props.second || item.second ? "fill second" : "fill"} style={{ width: `${Math.min(100, (100 * item.value) / scale)}%` }} />
            </span>
            <span className="percent">
              {item.shown ?? percent(item.value)}
              {item.note && <span className="soft"> {item.note}</span>}
            </span>
          </Row>
        </li>
      ))}
    </ul>
  );
}

export function Slider(props: { label: string; value: number; least: number; most: number; step: number; onChange: (n: number) => void; show: string }) {
  const id = useId();
  return (
    <div className="step-slider">
      <label htmlFor={id}>{props.label}</label>
      <input id={id} type="range" min={props.least} max={props.most} step={props.step} value={props.value} aria-valuetext={props.show} onChange={(e) => props.onChange(Number(e.target.value))} />
      <output htmlFor={id} className="number">
        {props.show}
      </output>
    </div>
  );
}
