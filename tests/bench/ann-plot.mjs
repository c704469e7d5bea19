/** Recall against queries a second as SVG: recall by its odds, so that 0.9, 0.99 and 0.999 are as far apart; speed by its logarithm. */
import { frontier } from "./ann-serve.mjs";

const WIDTH = 900, HEIGHT = 560, LEFT = 70, RIGHT = 170, TOP = 50, BOTTOM = 55;
const COLOURS = ["#0b6e4f", "#c1440e", "#2b59c3", "#8a6d00", "#7b2d8b", "#555555"];
const TICKS = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const odds = (r) => Math.log(r / (1 - r));

/** @param curves { name: [{ recall, qps }…] } */
export function plot(title, curves) {
  const low = 0.5, high = 0.9995, all = Object.values(curves).flat();
  const shown = all.filter((p) => p.recall >= low);
  const floor = 10 ** Math.floor(Math.log10(Math.min(...shown.map((p) => p.qps)))), top = 10 ** Math.ceil(Math.log10(Math.max(...shown.map((p) => p.qps))));
  const x = (r) => LEFT + ((odds(Math.min(r, high)) - odds(low)) / (odds(high) - odds(low))) * (WIDTH - LEFT - RIGHT);
  const y = (q) => HEIGHT - BOTTOM - (Math.log(q / floor) / Math.log(top / floor)) * (HEIGHT - TOP - BOTTOM);
  const at = (p) => `${x(p.recall).toFixed(1)},${y(p.qps).toFixed(1)}`;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="28" font-size="17" fill="#111">${escaped(title)}</text>`,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle" fill="#333">recall at 10</text>`,
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle" fill="#333">queries a second, one thread</text>`,
  ];
  for (const r of TICKS)
    out.push(`<path d="M${x(r).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/><text x="${x(r).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#333">${r}</text>`);
  for (let decade = floor; decade <= top; decade *= 10)
    for (const step of [1, 2, 5]) {
      const q = decade * step;
      if (q > top) continue;
      out.push(`<path d="M${LEFT} ${y(q).toFixed(1)}H${WIDTH - RIGHT}" stroke="${step === 1 ? "#bbb" : "#eee"}"/><text x="${LEFT - 6}" y="${(y(q) + 4).toFixed(1)}" text-anchor="end" fill="#333">${q.toLocaleString("en-US")}</text>`);
    }
  Object.entries(curves).forEach(([name, points], i) => {
    const line = frontier(points).filter((p) => p.recall >= low), colour = COLOURS[i % COLOURS.length];
    out.push(`<polyline fill="none" stroke="${colour}" stroke-width="2.5" points="${line.map(at).join(" ")}"/>`);
    for (const p of line)
      out.push(`<circle cx="${x(p.recall).toFixed(1)}" cy="${y(p.qps).toFixed(1)}" r="3.5" fill="${colour}"><title>${escaped(name)}, effort ${p.effort}: recall ${p.recall.toFixed(4)}, ${Math.round(p.qps).toLocaleString("en-US")} a second</title></circle>`);
    out.push(`<rect x="${WIDTH - RIGHT + 18}" y="${TOP + 4 + i * 24}" width="14" height="14" fill="${colour}"/><text x="${WIDTH - RIGHT + 40}" y="${TOP + 16 + i * 24}" fill="#111">${escaped(name)}</text>`);
  });
  return `${out.join("\n")}\n</svg>\n`;
}
