/** Two canvases: the map of the vectors, and the latencies of the last searches. Colours come from the style sheet. */
import { row } from "./data.mjs";

const colours = new Map();

/** A colour of the style sheet as canvases take it: light-dark() is resolved only where a property uses it. */
function colour(name) {
  if (!colours.has(name)) {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    colours.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return colours.get(name);
}

/** Asks the style sheet again: the theme has changed. */
export const forgetColours = () => colours.clear();

/** Fits a canvas to its place in the page and answers a context in CSS pixels; `width` is 0 while it is not shown. */
function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

const SHOWN = 3000;

/** The map: some of the vectors, the place of the query, and the hits. */
export class MapView {
  #canvas;
  #places = new Float32Array(0);
  #vector = new Float32Array(96);

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** How many rows there are; at most 3,000 of them are drawn. */
  set rows(count) {
    const shown = Math.min(count, SHOWN);
    if (shown * 2 === this.#places.length) return;
    const places = new Float32Array(shown * 2);
    places.set(this.#places.subarray(0, shown * 2));
    for (let i = Math.min(this.#places.length / 2, shown); i < shown; i++) places.set(row(i, this.#vector).subarray(0, 2), i * 2);
    this.#places = places;
  }

  draw({ x, y }, hits) {
    const { context, width, height } = prepare(this.#canvas);
    const across = (value) => ((value + 1.1) / 2.2) * width;
    const down = (value) => ((1.1 - value) / 2.2) * height;
    context.fillStyle = colour("--dots");
    for (let i = 0; i < this.#places.length; i += 2) context.fillRect(across(this.#places[i]), down(this.#places[i + 1]), 1.5, 1.5);
    context.fillStyle = colour("--accent");
    for (const { id } of hits) {
      const place = row(id, this.#vector);
      context.beginPath();
      context.arc(across(place[0]), down(place[1]), 3, 0, 2 * Math.PI);
      context.fill();
    }
    context.strokeStyle = colour("--text");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(across(x), down(y), 8, 0, 2 * Math.PI);
    context.stroke();
  }

  /** The place on the map under a pointer. */
  placeOf({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const within = (value) => Math.max(-1, Math.min(1, value));
    return { x: within(((clientX - left) / width) * 2.2 - 1.1), y: within(1.1 - ((clientY - top) / height) * 2.2) };
  }
}

/** Draws latencies in milliseconds, oldest first, on a logarithmic scale; `indexed` tells which were answered by an index alone. */
export function drawLatencies(canvas, searches, most) {
  const { context, width, height } = prepare(canvas);
  const values = searches.map(({ milliseconds }) => Math.max(milliseconds, 0.01));
  const low = Math.floor(Math.log10(Math.min(0.3, ...values)));
  const high = Math.ceil(Math.log10(Math.max(30, ...values)));
  const left = 46;
  const down = (milliseconds) => height - 4 - ((Math.log10(milliseconds) - low) / (high - low)) * (height - 12);
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (let power = low; power <= high; power++) {
    const at = Math.round(down(10 ** power)) + 0.5;
    context.strokeStyle = colour("--line");
    context.beginPath();
    context.moveTo(left, at);
    context.lineTo(width, at);
    context.stroke();
    context.fillStyle = colour("--soft");
    if (power > low && power < high) context.fillText(`${10 ** power} ms`, left - 5, at);
  }
  const step = (width - left) / most;
  searches.forEach(({ indexed }, i) => {
    context.fillStyle = colour(indexed ? "--accent" : "--slow");
    context.fillRect(left + i * step, down(values[i]) - 1.5, Math.max(step, 2), 3);
  });
}
