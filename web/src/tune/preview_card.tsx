// What will be learned: counts, and one row as the model sees it.
import { useApp } from "../app_context";
import { useWords } from "../i18n";
import { Preview } from "../types";
import { Figure } from "../ui/pieces";

export function PreviewCard({ preview, show, other }: { preview: Preview; show: (row: number) => void; other: () => void }) {
  const words = useWords();
  const { language } = useApp();
  const n = (v: number) => v.toLocaleString(language);
  return (
    <section className="card stack" aria-label={words.tune.learn}>
      <div className="row apart">
        <h2>{preview.name}</h2>
        <button className="button small" onClick={other}>
          {words.tune.other}
        </button>
      </div>
      <div className="figures">
        <Figure value={n(preview.rows)} label={words.tune.rows} />
        <Figure value={n(preview.tokens)} label={words.tune.tokens} />
        <Figure value={n(preview.learned_tokens)} label={words.tune.learned} />
        <Figure value={n(preview.longest)} label={words.tune.longest} />
      </div>
      {preview.duplicates > 0 && <p className="note">{words.tune.duplicates(preview.duplicates)}</p>}
      <div>
        <div className="row apart">
          <h3>{words.tune.learn}</h3>
          <span className="row small">
            <button className="button small" disabled={preview.row === 0} onClick={() => show(preview.row - 1)} aria-label={words.tune.previousRow}>
              ‹
            </button>
            <span className="number" role="status">
              {words.tune.row(preview.row + 1, preview.rows)}
            </span>
            <button className="button small" disabled={preview.row + 1 >= preview.rows} onClick={() => show(preview.row + 1)} aria-label={words.tune.nextRow}>
              ›
            </button>
          </span>
        </div>
        <p className="small soft">{words.tune.learnHint}</p>
      </div>
      <div className="sample" id="sample" tabIndex={0} aria-label={words.tune.learn}>
        {preview.pieces.map((p, i) =>
          p.learned ? (
            <mark className="learned" key={i}>
              {p.text}
            </mark>
          ) : (
            <span key={i}>{p.text}</span>
          ),
        )}
      </div>
    </section>
  );
}
