// The list of keyboard shortcuts.
import { useEffect, useRef } from "react";

import { useWords } from "./i18n";

export function Shortcuts({ close }: { close: () => void }) {
  const words = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const keys: [string[], string][] = [
    [["Alt", "1–5"], words.shortcuts.go],
    [["/"], words.shortcuts.focus],
    [["Enter"], words.shortcuts.send],
    [["Esc"], words.shortcuts.stop],
    [["Alt", "S"], words.shortcuts.side],
    [["?"], words.shortcuts.help],
  ];
  return (
    <dialog ref={dialog} onClose={close} aria-label={words.shortcuts.open}>
      <div className="stack">
        <h2>{words.shortcuts.open}</h2>
        <dl className="shortcuts">
          {keys.map(([names, text]) => (
            <div key={text} style={{ display: "contents" }}>
              <dt>
                {names.map((name) => (
                  <kbd key={name}>{name}</kbd>
                ))}
              </dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
        <div className="row end">
          <button className="button" onClick={() => dialog.current?.close()}>
            {words.close}
          </button>
        </div>
      </div>
    </dialog>
  );
}
