// Light, dark, or as the system says.
export type Theme = "system" | "light" | "dark";

export function firstTheme(): Theme {
  const kept = localStorage.getItem("hew.theme");
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function applyTheme(theme: Theme): void {
  localStorage.setItem("hew.theme", theme);
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
}
