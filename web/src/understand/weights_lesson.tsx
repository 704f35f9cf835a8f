// What a weight is, and how many there are.
import { useApp, useLoaded } from "../app_context";
import { bytes, count } from "../format";
import { useWords } from "../i18n";
import { Anatomy } from "../types";
import { Bars, Failure, Figure } from "../ui/pieces";

export function WeightsLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.weights;
  const { language } = useApp();
  const loaded = useLoaded<Anatomy>(`/api/anatomy?model=${encodeURIComponent(model)}`);
  const a = loaded.value;
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      {loaded.error && <Failure text={loaded.error} retry={loaded.reload} />}
      {a?.sample && <Corner name={a.sample.name} shape={a.sample.shape} values={a.sample.values} />}
      {a && (
        <>
          <div className="figures" id="anatomy" data-parameters={a.parameters}>
            <Figure value={count(a.parameters, language)} label={w.total} />
            <Figure value={bytes(a.file_bytes)} label={w.bytes} />
            <Figure value={((8 * a.file_bytes) / a.parameters).toFixed(1)} label={w.perWeight} />
            <Figure value={a.layers} label={w.layers} />
            <Figure value={a.hidden_size} label={w.width} />
          </div>
          <h3>{w.where}</h3>
          <Bars
            label={w.where}
            plain
            scale={1}
            items={Object.entries(a.parameters_by_module)
              .sort((x, y) => y[1] - x[1])
              .map(([name, n]) => ({ key: name, label: w.modules[name] ?? name, value: n / a.parameters }))}
          />
        </>
      )}
    </>
  );
}

function Corner({ name, shape, values }: { name: string; shape: number[]; values: number[][] }) {
  const words = useWords();
  const most = Math.max(1e-9, ...values.flat().map(Math.abs));
  return (
    <div className="stack tight">
      <div className="weights" role="img" aria-label={words.understand.weights.shape(name, shape[0], shape[1])}>
        {values.map((row, i) => (
          <div className="line" key={i}>
            {row.map((v, k) => (
              <span
                className="w"
                key={k}
                style={{ background: `color-mix(in srgb, var(${v >= 0 ? "--accent" : "--second"}) ${Math.round((45 * Math.abs(v)) / most)}%, var(--sunken))` }}
              >
                {v.toFixed(3).replace("-", "−").replace(/^(−?)0\./, "$1.")}
              </span>
            ))}
          </div>
        ))}
      </div>
      <p className="small soft">{words.understand.weights.shape(name, shape[0], shape[1])}</p>
    </div>
  );
}
