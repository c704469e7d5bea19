/** How the last question was answered, as `collection.explain` tells it. */
import { milliseconds } from "./format.mjs";
import { element } from "./hits.mjs";

const number = (n) => Math.round(n ?? 0).toLocaleString("en");

function sourceLine({ source, rows, index, why, matches, candidates, ranked }) {
  const name = source.startsWith("seg-") ? `segment ${Number.parseInt(source.slice(4), 16)}` : source;
  const what = [`${number(rows)} records`, matches === undefined ? "" : `${number(matches)} match`, index, candidates === undefined ? "" : `${number(candidates)} candidates, ${number(ranked)} ranked exactly`];
  return element("li", {}, element("strong", {}, name), ` ${what.filter(Boolean).join(" · ")}`, element("span", { class: "why" }, why));
}

function legOf({ leg, share, sources = [], terms = [], postings, candidates }) {
  const words = terms.map(({ field, term, records }) => element("li", {}, element("code", {}, term), ` in ${field}: ${number(records)} records`));
  const work = postings === undefined ? undefined : element("li", { class: "why" }, `${number(postings)} postings read, ${number(candidates)} records scored`);
  const title = leg === "text" ? "Words" : "Meaning";
  return [
    element("h3", {}, title, share === undefined ? "" : element("span", { class: "number" }, `${Math.round(share * 100)} % of the score`)),
    element("ul", {}, ...sources.filter(({ rows }) => rows > 0).map(sourceLine), ...words.slice(0, 12), work),
  ];
}

/** Fills the panel. @param {import("omendb").Explanation} explanation */
export function showExplained(panel, explanation) {
  const { filter, legs, sources, microseconds } = explanation;
  const of = legs ?? [{ leg: "vector", sources }];
  const selected = filter === undefined ? [] : [element("h3", {}, "Filter"), element("ul", {}, element("li", {}, `about ${number(filter.estimatedMatches)} records expected; `, `${number(filter.columnBlocks)} blocks of columns looked through, ${number(filter.documents)} documents read`))];
  panel.replaceChildren(...selected, ...of.flatMap(legOf), element("p", { class: "why" }, `all of it in ${milliseconds(microseconds / 1e6)}`));
}
