/** What may be chosen besides the question: how it is searched for, and in which sections. */
import { element } from "./hits.mjs";

/** How each way of searching makes a query of a question. */
const WAYS = {
  meaning: { label: "By meaning", hint: "nearest in meaning", query: ({ vector }) => ({ vector }) },
  words: { label: "By words", hint: "best by words", query: ({ text }) => ({ text: { query: text, fields: { summary: 2, text: 1 }, typos: true, prefix: true } }) },
  both: { label: "By both", hint: "best by meaning and words", query: (question) => ({ ...WAYS.meaning.query(question), ...WAYS.words.query(question) }) },
};

/** The choices made so far. `changed` is called with every change. */
export class Choices {
  way = "meaning";
  #sections = new Set();
  #changed;

  constructor(ways, changed) {
    this.#changed = changed;
    ways.append(
      ...Object.entries(WAYS).map(([way, { label }]) =>
        element("label", {}, element("input", { type: "radio", name: "way", value: way, checked: way === this.way, onchange: () => this.#choose(way) }), element("span", {}, label)),
      ),
    );
  }

  get hint() {
    return WAYS[this.way].hint;
  }

  get filtered() {
    return this.#sections.size > 0;
  }

  get usesVector() {
    return this.way !== "words";
  }

  /** Two queries: the hits, and the counts of sections, which are those of all sections whichever are chosen. */
  queries(question, hits) {
    const query = WAYS[this.way].query(question);
    const filter = this.filtered ? { filter: { section: { $in: [...this.#sections] } } } : {};
    const words = this.way === "meaning" ? {} : { highlight: { length: 160 } };
    return [
      { ...query, ...filter, ...words, topK: hits },
      { ...query, topK: 1, include: [], facets: { section: { limit: 20 } } },
    ];
  }

  /** Shows the sections with their counts. */
  show(list, { values }) {
    const focused = document.activeElement?.dataset?.section;
    const counts = new Map(values.map(({ value, count }) => [value, count]));
    for (const section of this.#sections) if (!counts.has(section)) counts.set(section, 0);
    list.replaceChildren(
      ...[...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([section, count]) =>
        element(
          "button",
          { type: "button", "data-section": section, "aria-pressed": String(this.#sections.has(section)), onclick: () => this.#toggle(section) },
          section,
          " ",
          element("span", { class: "number" }, count.toLocaleString("en")),
        ),
      ),
    );
    if (focused !== undefined) list.querySelector(`[data-section="${CSS.escape(focused)}"]`)?.focus();
  }

  #choose(way) {
    this.way = way;
    this.#changed();
  }

  #toggle(section) {
    if (!this.#sections.delete(section)) this.#sections.add(section);
    this.#changed();
  }
}
