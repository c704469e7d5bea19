export const dist = new URL("./", import.meta.url).href;
