// Asks for the server's key.
import { useEffect, useRef, useState } from "react";

import { useWords } from "./i18n";
import { Field } from "./ui/pieces";

export function KeyDialog({ done }: { done: (key: string) => void }) {
  const words = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label={words.key.title} onCancel={(e) => e.preventDefault()}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (key.trim() !== "") done(key.trim());
        }}
      >
        <h2>{words.key.title}</h2>
        <Field label={words.key.label}>
          <input className="input" type="password" autoComplete="off" value={key} onChange={(e) => setKey(e.target.value)} />
        </Field>
        <div className="row end">
          <button className="button main" disabled={key.trim() === ""}>
            OK
          </button>
        </div>
      </form>
    </dialog>
  );
}
