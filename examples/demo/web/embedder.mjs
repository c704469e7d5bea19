/** The page's side of the worker with the sentence model. */
export class Embedder {
  #worker = new Worker("/embedder/embedder.js", { type: "module" });
  #questions = new Map();
  #next = 1;

  /** @param {(share: number) => void} onProgress how much of the model is loaded */
  constructor(onProgress) {
    this.ready = new Promise((resolve, reject) => {
      this.#worker.onerror = (event) => reject(new Error(`the sentence model's worker failed: ${event.message ?? "its script did not load"}`));
      this.#worker.onmessage = ({ data }) => {
        if (data.type === "progress") onProgress(data.share);
        else if (data.type === "ready") resolve();
        else if (data.type === "failed") reject(new Error(`the sentence model could not be loaded: ${data.message}`));
        else this.#settle(data);
      };
    });
  }

  /** The vector of a question; undefined when a later question has taken its place. */
  question(text) {
    return this.#ask({ text });
  }

  /** The vector of a record: the mean of its passages. */
  record(passages) {
    return this.#ask({ passages });
  }

  #ask(message) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...message });
    });
  }

  #settle({ id, vector, ms, error, superseded }) {
    const { resolve, reject } = this.#questions.get(id);
    this.#questions.delete(id);
    if (error !== undefined) reject(new Error(error));
    else resolve(superseded ? undefined : { vector, ms });
  }
}
