// A line of text to look at, with the button that looks.
import { ReactNode, useState } from "react";

import { useWords } from "../i18n";
import { Field } from "../ui/pieces";

export function AskForm(props: { first: string; busy: boolean; ask: (text: string) => void; children?: ReactNode; label?: string }) {
  const words = useWords();
  const [text, setText] = useState(props.first);
  return (
    <form
      className="row bottom"
      onSubmit={(e) => {
        e.preventDefault();
        if (text.trim() !== "") props.ask(text);
      }}
    >
      <div className="grow" style={{ minWidth: 220 }}>
        <Field label={props.label ?? words.understand.text}>
          <input className="input" name="text" value={text} onChange={(e) => setText(e.target.value)} />
        </Field>
      </div>
      {props.children}
      <button className="button main" data-action="look" disabled={props.busy || text.trim() === ""}>
        {props.busy ? words.understand.looking : words.understand.look}
      </button>
    </form>
  );
}
