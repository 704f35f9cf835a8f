// One or more lines over steps, with chart.js, in the theme's colours.
import { CategoryScale, Chart, Filler, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip } from "chart.js";
import { useEffect, useRef } from "react";

Chart.register(CategoryScale, Filler, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip);

export interface Line {
  name: string;
  points: { x: number; y: number }[];
  color: "accent" | "second";
  dots?: boolean;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function LineChart(props: { lines: Line[]; label: string; xLabel: string; xMost?: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart | null>(null);
  useEffect(() => {
    if (!canvas.current) return undefined;
    chart.current = new Chart(canvas.current, {
      type: "line",
      data: { datasets: [] },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        parsing: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: { x: { type: "linear", min: 0, title: { display: true }, ticks: { precision: 0 } }, y: { beginAtZero: true, grace: "5%" } },
        plugins: { legend: { labels: { boxWidth: 18, boxHeight: 2 } } },
      },
    });
    const repaint = () => paint(chart.current, propsNow.current);
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", repaint);
    const watcher = new MutationObserver(repaint);
    watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      media.removeEventListener("change", repaint);
      watcher.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);
  const propsNow = useRef(props);
  propsNow.current = props;
  useEffect(() => paint(chart.current, props));
  const last = props.lines.map((l) => `${l.name}: ${l.points.length > 0 ? l.points[l.points.length - 1].y.toFixed(3) : "-"}`);
  return (
    <div className="line-chart">
      <canvas ref={canvas} role="img" aria-label={`${props.label}. ${last.join(", ")}`} />
    </div>
  );
}

function paint(chart: Chart | null, props: { lines: Line[]; xLabel: string; xMost?: number }): void {
  if (!chart) return;
  chart.data.datasets = props.lines
    .filter((l) => l.points.length > 0)
    .map((l) => ({
      label: l.name,
      data: l.points,
      borderColor: colour(`--${l.color}`),
      backgroundColor: colour(`--${l.color}`),
      borderWidth: 2,
      pointRadius: l.dots || l.points.length < 2 ? 3 : 0,
      cubicInterpolationMode: "monotone",
    }));
  const ink = colour("--ink-soft");
  const grid = colour("--line");
  for (const axis of Object.values(chart.options.scales ?? {})) {
    if (!axis) continue;
    axis.ticks = { ...axis.ticks, color: ink };
    axis.grid = { ...axis.grid, color: grid, borderColor: grid };
  }
  const x = chart.options.scales?.x as { max?: number; title?: { text: string; color: string; display: boolean } } | undefined;
  if (x) {
    x.max = props.xMost;
    x.title = { display: true, text: props.xLabel, color: ink };
  }
  const legend = chart.options.plugins?.legend;
  if (legend?.labels) legend.labels.color = ink;
  if (legend) legend.display = props.lines.filter((l) => l.points.length > 0).length > 1;
  chart.update("none");
}
