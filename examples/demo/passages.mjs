/** What is embedded of a record, and how; without anything of one runtime, so that the page does the same. */

/** Whole sentences up to `limit` characters; a longer first sentence is cut between words. */
export function firstSentences(text, limit) {
  if (text.length <= limit) return text;
  const end = text.slice(0, limit).search(/[.!?]\s[^.!?]*$/);
  if (end > limit / 3) return text.slice(0, end + 1);
  const space = text.lastIndexOf(" ", limit);
  return text.slice(0, space > 0 ? space : limit);
}

/**
 * What is embedded of a package: its summary, and the first sentences of its description. They are embedded apart and averaged: the summary
 * says what a thing is in a few words, and would drown in a longer text; the sentences know the words that people ask with.
 */
export function passagesOf({ summary, text }) {
  const sentences = firstSentences(text, 200);
  return sentences === "" ? [summary] : [summary, sentences];
}

/** The mean of several passages' embeddings, at unit length: each passage counts the same, however long it is. */
export async function embedPassages(embed, passages) {
  let sum;
  for (const passage of passages) {
    const vector = await embed(passage);
    sum ??= new Float64Array(vector.length);
    vector.forEach((value, i) => (sum[i] += value));
  }
  const length = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
  return Float32Array.from(sum, (value) => value / length);
}
