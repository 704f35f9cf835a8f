// Line icons, 20 by 20.
const kPaths = {
  chat: "M3 5.5A1.5 1.5 0 0 1 4.5 4h11A1.5 1.5 0 0 1 17 5.5v7a1.5 1.5 0 0 1-1.5 1.5H8l-4 3v-3H4.5A1.5 1.5 0 0 1 3 12.5z",
  versions: "M6 4v12M6 8c0 3 8 1 8 5v3M6 4m-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0M12 16a2 2 0 1 0 4 0a2 2 0 1 0-4 0M4 16a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
  compare: "M7 4H4v12h3M13 4h3v12h-3M10 2.5v15",
  tune: "M3 6h7M14 6h3M3 14h3M10 14h7M10 6a2 2 0 1 0 4 0a2 2 0 1 0-4 0M6 14a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
  understand: "M10 4a5 5 0 0 1 2.5 9.3V15h-5v-1.7A5 5 0 0 1 10 4zM8 17.5h4",
  send: "M10 16V4M5 9l5-5 5 5",
  stop: "M6 6h8v8H6z",
  light: "M10 6.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1",
  dark: "M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z",
  system: "M3 5h14v8.5H3zM7 17h6M10 13.5V17",
  keys: "M2.5 5.5h15v9h-15zM5.5 8.5h.5M8.5 8.5H9M11.5 8.5h.5M14.5 8.5h.5M6 11.5h8",
  columns: "M3 4h14v12H3zM10 4v12",
  sliders: "M3 6h7M14 6h3M3 14h3M10 14h7M10 6a2 2 0 1 0 4 0a2 2 0 1 0-4 0M6 14a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
  file: "M5 2.5h6l4 4v11H5zM11 2.5v4h4M10 15v-5M7.5 12.5 10 10l2.5 2.5",
};
export type IconName = keyof typeof kPaths;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={kPaths[name]} />
    </svg>
  );
}

// A block with a corner hewn off.
export function Mark() {
  return (
    <svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true">
      <path d="M3 8.5 13 3l10 5.5v9L13 23 3 17.5z" fill="currentColor" opacity="0.22" />
      <path d="M3 8.5 13 14v9L3 17.5z" fill="currentColor" opacity="0.55" />
      <path d="M13 14 23 8.5v4.2L17.5 20.5 13 23z" fill="currentColor" />
    </svg>
  );
}
