// How answers are drawn.
import { useWords } from "../i18n";
import { Field } from "../ui/pieces";
import { Sampling } from "./sampling";

type NumberKey = "temperature" | "topP" | "topK" | "minP" | "maxTokens";

export function SamplingForm({ value, onChange, reset }: { value: Sampling; onChange: (s: Sampling) => void; reset: () => void }) {
  const words = useWords();
  const fields: { key: NumberKey; label: string; least: number; most: number; step: number }[] = [
    { key: "temperature", label: words.chat.temperature, least: 0, most: 2, step: 0.1 },
    { key: "topK", label: words.chat.topK, least: 0, most: 1000, step: 1 },
    { key: "topP", label: words.chat.topP, least: 0.01, most: 1, step: 0.01 },
    { key: "minP", label: words.chat.minP, least: 0, most: 1, step: 0.01 },
    { key: "maxTokens", label: words.chat.maxTokens, least: 1, most: 8192, step: 1 },
  ];
  return (
    <section className="settings-grid" aria-label={words.chat.settings}>
      {fields.map((f) => (
        <Field key={f.key} label={f.label}>
          <input
            className="input"
            type="number"
            min={f.least}
            max={f.most}
            step={f.step}
            value={value[f.key]}
            onChange={(e) => {
              const n = Number(e.target.value);
              if (e.target.value !== "" && n >= f.least && n <= f.most) onChange({ ...value, [f.key]: n });
            }}
          />
        </Field>
      ))}
      <Field label={words.chat.seed}>
        <input className="input" inputMode="numeric" value={value.seed} onChange={(e) => onChange({ ...value, seed: e.target.value })} />
      </Field>
      <Field label={words.chat.system}>
        <input className="input" value={value.system} onChange={(e) => onChange({ ...value, system: e.target.value })} />
      </Field>
      <div className="row bottom">
        <button className="button small" onClick={reset}>
          {words.chat.resetSettings}
        </button>
      </div>
    </section>
  );
}
