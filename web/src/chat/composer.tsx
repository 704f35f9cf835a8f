// Where a message is written.
import { forwardRef, useImperativeHandle, useLayoutEffect, useRef, useState } from "react";

import { useWords } from "../i18n";
import { Icon } from "../ui/icons";

export interface ComposerHandle {
  focus: () => void;
  put: (text: string) => void;
}

export const Composer = forwardRef<ComposerHandle, { busy: boolean; ready: boolean; send: (text: string) => void; stop: () => void }>(function Composer(
  { busy, ready, send, stop },
  handle,
) {
  const words = useWords();
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle(handle, () => ({
    focus: () => box.current?.focus(),
    put: (t) => {
      setText(t);
      box.current?.focus();
    },
  }));
  useLayoutEffect(() => {
    if (!box.current) return;
    box.current.style.height = "auto";
    box.current.style.height = `${box.current.scrollHeight}px`;
  }, [text]);
  const submit = () => {
    if (text.trim() === "" || busy || !ready) return;
    send(text.trim());
    setText("");
  };
  return (
    <div className="composer">
      <form
        onSubmit={(e) => {
          e.preventDefault();
          submit();
        }}
      >
        <textarea
          ref={box}
          id="message"
          rows={1}
          value={text}
          placeholder={words.chat.placeholder}
          aria-label={words.chat.placeholder}
          onChange={(e) => setText(e.target.value)}
          onKeyDown={(e) => {
            // While a Korean syllable is being composed, Enter ends the syllable, not the message.
            if (e.key === "Enter" && !e.shiftKey && !e.nativeEvent.isComposing) {
              e.preventDefault();
              submit();
            }
          }}
        />
        {busy ? (
          <button type="button" className="button stop" onClick={stop} aria-label={words.stop} title="Esc">
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" className="button main" disabled={text.trim() === "" || !ready} aria-label={words.chat.send}>
            <Icon name="send" />
          </button>
        )}
      </form>
    </div>
  );
});
