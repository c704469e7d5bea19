/** A hash over hits: equal when ids and distances are equal, bit for bit. Runs in Node.js and in the browser. */

/** One line per hit: the question, the id, and the 32 bits of the distance. */
export function hitLines(question, hits) {
  const bits = new DataView(new ArrayBuffer(4));
  return hits.map(({ id, distance }) => {
    bits.setFloat32(0, distance);
    return `${question}\t${id}\t${bits.getUint32(0).toString(16).padStart(8, "0")}`;
  });
}

/** SHA-256 of lines, in hexadecimal. */
export async function fingerprint(lines) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(lines.join("\n")));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
