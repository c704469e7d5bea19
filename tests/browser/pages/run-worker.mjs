/** The worker side of callModule: imports a module, calls an export, answers its result as JSON. */
self.onmessage = async ({ data: { url, name, args } }) => {
  try {
    const module = await import(url);
    self.postMessage({ value: JSON.stringify((await module[name](...JSON.parse(args))) ?? null) });
  } catch (error) {
    self.postMessage({ error: { message: String(error?.message ?? error), code: error?.code, stack: String(error?.stack ?? "") } });
  }
};
