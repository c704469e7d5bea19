/** The list of answers. */

/** An element with attributes and children; text is only ever set as text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

/** A text with its marked words, or as it is. */
function marked(fragments, text) {
  const [fragment] = fragments ?? [];
  if (fragment?.marks === undefined || fragment.marks.length === 0) return [text];
  const parts = [];
  let at = 0;
  for (const [from, to] of fragment.marks) {
    parts.push(fragment.text.slice(at, from), element("mark", {}, fragment.text.slice(from, to)));
    at = to;
  }
  return [...parts, fragment.text.slice(at)].filter((part) => part !== "");
}

/** The distance, or what each way of searching gave. */
function gave(distance, scores) {
  if (scores === undefined) return [element("span", { class: "distance" }, Number.isNaN(distance) ? "by words" : `distance ${distance.toFixed(3)}`)];
  return Object.entries(scores).map(([leg, score]) => element("span", { class: "distance" }, `${leg === "text" ? "words" : "meaning"} ${score.toFixed(2)}`));
}

const safeLink = (url) => (/^https?:\/\//.test(url ?? "") ? url : undefined);

/** Shows hits; those that were there before stay where the eye is. @param {{ onDelete(id): void }} actions */
export function showHits(list, hits, { onDelete }) {
  const open = new Set([...list.querySelectorAll("details[open]")].map(({ dataset }) => dataset.id));
  const best = Math.max(1, ...hits.map(({ score }) => score));
  list.replaceChildren(
    ...hits.map(({ id, score, distance, metadata, scores, highlights }, rank) => {
      const note = metadata.section === "note";
      const share = Math.max(0, Math.min(1, score / best));
      const home = safeLink(metadata.homepage);
      const details = element(
        "details",
        { class: "hit", "data-id": String(id), open: open.has(String(id)) },
        element(
          "summary",
          {},
          element("span", { class: "rank", "aria-hidden": "true" }, String(rank + 1)),
          element(
            "span",
            { class: "hit-main" },
            element("span", { class: "hit-name" }, note ? "Your note" : String(id), " ", element("span", { class: note ? "tag own" : "tag" }, note ? "note" : metadata.section)),
            element("span", { class: "hit-summary" }, ...marked(highlights?.summary, metadata.summary)),
            highlights?.text?.[0]?.marks?.length > 0 ? element("span", { class: "hit-text" }, ...marked(highlights.text, "")) : undefined,
          ),
          element(
            "span",
            { class: "score" },
            element("span", { class: "score-value" }, element("span", { class: "visually-hidden" }, "score "), score.toFixed(3)),
            element("span", { class: "bar", "aria-hidden": "true" }, element("span", { style: `inline-size:${(share * 100).toFixed(1)}%` })),
            ...gave(distance, scores),
          ),
        ),
        element(
          "div",
          { class: "hit-more" },
          metadata.text === "" || metadata.text === undefined ? undefined : element("p", {}, metadata.text),
          home === undefined ? undefined : element("p", {}, element("a", { href: home, rel: "noopener noreferrer", target: "_blank" }, home.replace(/^https?:\/\/|\/$/g, ""))),
          note ? element("button", { type: "button", class: "button small", onclick: () => onDelete(id) }, "Delete this note") : element("p", { class: "install" }, element("code", {}, `apt install ${id}`)),
        ),
      );
      return element("li", {}, details);
    }),
  );
}

/** Arrow keys walk through the list, Escape goes back to the question. */
export function walkable(list, input) {
  const summaries = () => [...list.querySelectorAll("summary")];
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && summaries().length > 0) {
      event.preventDefault();
      summaries()[0].focus();
    }
  });
  list.addEventListener("keydown", (event) => {
    const all = summaries();
    const at = all.indexOf(document.activeElement);
    if (event.key === "Escape") input.focus();
    if (at < 0 || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "ArrowUp" && at === 0) input.focus();
    else all[{ ArrowDown: Math.min(at + 1, all.length - 1), ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key]].focus();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(input|textarea)$/i.test(document.activeElement?.tagName)) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}
