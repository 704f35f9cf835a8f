// Frozen model + small adapter = my model, drawn to scale.
import { useApp, useLoaded } from "../app_context";
import { bytes, count, percent } from "../format";
import { useWords } from "../i18n";
import { Anatomy } from "../types";
import { Failure } from "../ui/pieces";

const kSide = 210; // pixels of the model's square

export function AdapterLesson({ model }: { model: string }) {
  const words = useWords();
  const w = words.understand.adapter;
  const { language, versions } = useApp();
  const loaded = useLoaded<Anatomy>(`/api/anatomy?model=${encodeURIComponent(model)}`);
  const a = loaded.value;
  const side = a?.adapter ? Math.max(2, kSide * Math.sqrt(a.adapter.parameters / a.parameters)) : 0;
  const many = Math.max(1, versions.length - 1);
  return (
    <>
      <p className="lesson-text">{w.intro}</p>
      {loaded.error && <Failure text={loaded.error} retry={loaded.reload} />}
      {a && (
        <div className="sizes">
          <Block side={kSide} title={w.frozen} lines={[`${count(a.parameters, language)} ${w.numbers}`, bytes(a.file_bytes)]} />
          {a.adapter && (
            <>
              <b aria-hidden="true" style={{ fontSize: 24, paddingBottom: 60 }}>
                +
              </b>
              <Block side={side} mine title={w.mine} lines={[`${count(a.adapter.parameters, language)} ${w.numbers}`, bytes(a.adapter.bytes)]} />
              <b aria-hidden="true" style={{ fontSize: 24, paddingBottom: 60 }}>
                = {model}
              </b>
            </>
          )}
        </div>
      )}
      {a && !a.adapter && <p className="note">{w.none}</p>}
      {a?.adapter && (
        <div className="stack tight" id="adapter" data-parameters={a.adapter.parameters}>
          <p>
            <b>{w.share(percent(a.adapter.parameters / a.parameters))}</b> {w.rank(a.adapter.rank, a.adapter.matrices)}
          </p>
          <p className="soft">{w.saves(bytes(a.file_bytes), bytes(a.adapter.bytes), many)}</p>
        </div>
      )}
    </>
  );
}

function Block({ side, mine, title, lines }: { side: number; mine?: boolean; title: string; lines: string[] }) {
  return (
    <div className="stack tight">
      <div className={mine ? "block mine" : "block"} style={{ width: side, height: side }} aria-hidden="true" />
      <div>
        <b>{title}</b>
        {lines.map((l) => (
          <div className="small soft number" key={l}>
            {l}
          </div>
        ))}
      </div>
    </div>
  );
}
