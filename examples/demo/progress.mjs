/** A line that shows how far long work is and how long it will take; where no one watches, one line each tenth. */
export class Progress {
  #began = performance.now();
  #shown = -1;

  constructor(label, total, out = process.stderr) {
    Object.assign(this, { label, total, out });
  }

  update(done) {
    const share = this.total === 0 ? 1 : done / this.total;
    const seconds = (performance.now() - this.#began) / 1000;
    const left = done === 0 ? "" : `, ${duration((seconds / done) * (this.total - done))} left`;
    if (this.out.isTTY) {
      const cells = Math.round(share * 30);
      this.out.write(`\r  ${this.label} [${"█".repeat(cells)}${"·".repeat(30 - cells)}] ${done} / ${this.total}${left}   \x1b[K`);
    } else if (Math.floor(share * 10) > this.#shown) {
      this.#shown = Math.floor(share * 10);
      this.out.write(`  ${this.label} ${Math.round(share * 100)} % (${done} of ${this.total}${left})\n`);
    }
  }

  /** Ends the line; answers the seconds it took. */
  finish() {
    if (this.out.isTTY) this.out.write("\r\x1b[K");
    return (performance.now() - this.#began) / 1000;
  }
}

export function duration(seconds) {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`;
}
