// Numbers and times for people.
export function bytes(n: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1000 && i + 1 < units.length) {
    n /= 1000;
    i += 1;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

export function count(n: number, language: string): string {
  if (language === "ko") {
    if (n >= 1e8) return `${(n / 1e8).toFixed(n >= 1e9 ? 1 : 2)}억`;
    if (n >= 1e4) return `${Math.round(n / 1e4).toLocaleString("ko")}만`;
    return n.toLocaleString("ko");
  }
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} billion`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e7 ? 0 : 1)} million`;
  return n.toLocaleString("en");
}

export function duration(seconds: number, language: string): string {
  const s = Math.max(1, Math.round(seconds));
  const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  const ko = language === "ko";
  if (h > 0) return ko ? `${h}시간 ${m}분` : `${h} h ${m} min`;
  if (m > 0) return ko ? `${m}분 ${s % 60}초` : `${m} min ${s % 60} s`;
  return ko ? `${s}초` : `${s} s`;
}

export function percent(p: number): string {
  const v = 100 * p;
  return v >= 99.95 ? "100%" : v >= 10 ? `${v.toFixed(1)}%` : v >= 0.1 ? `${v.toFixed(2)}%` : v >= 0.001 ? `${v.toFixed(3)}%` : "<0.001%";
}

export function moment(iso: string, language: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return new Intl.DateTimeFormat(language === "ko" ? "ko-KR" : "en-GB", { dateStyle: "medium", timeStyle: "short" }).format(date);
}

// A token as it can be seen: spaces and line ends shown, bytes that are no character as the sign for them.
export function visible(token: string): string {
  return token.replace(/ /g, "·").replace(/\n/g, "⏎").replace(/\t/g, "⇥") || "∅";
}
