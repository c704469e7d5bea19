/** Numbers as people read them. */

export const milliseconds = (seconds) => (seconds === undefined ? "–" : seconds < 0.0005 ? `${Math.round(seconds * 1e6)} µs` : `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`);

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
