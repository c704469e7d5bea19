/** Adapters with one mistake each, over a good one: the suite is worth something only if it finds every one of them. */

/** Wraps what an adapter opens. `file(handle)` and `storage(storage)` answer the methods to replace. */
function wrap(adapter, { file = () => ({}), storage = () => ({}), place = () => ({}) }) {
  const over = (target, methods) =>
    new Proxy(target, {
      get(_, key) {
        if (Object.hasOwn(methods, key)) return methods[key];
        const value = target[key];
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (_, key, value) => Reflect.set(methods, key, value),
    });
  return over(adapter, {
    async open(name, options) {
      const opened = await adapter.open(name, options);
      return over(opened, {
        openFile: (fileName, mode) => {
          const handle = opened.openFile(fileName, mode);
          return over(handle, file(handle));
        },
        ...storage(opened),
      });
    },
    ...place(adapter),
  });
}

/** name -> the adapter with that mistake */
export const mistakes = {
  "forgets to cut": (good) => wrap(good, { file: () => ({ truncate() {} }) }),
  "keeps what was cut off": (good) =>
    wrap(good, {
      file: (f) => {
        let tail;
        return {
          truncate(size) {
            tail = { at: size, bytes: new Uint8Array(f.size() - size) };
            f.readAt(size, tail.bytes);
            f.truncate(size);
          },
          writeAt(offset, bytes) {
            if (tail !== undefined && offset > tail.at) f.writeAt(tail.at, tail.bytes.subarray(0, offset - tail.at));
            f.writeAt(offset, bytes);
          },
        };
      },
    }),
  "reads what was synced, not what was staged": (good) =>
    wrap(good, {
      file: (f) => {
        let staged = [];
        return {
          writeAt: (offset, bytes) => staged.push([offset, bytes.slice()]),
          sync() {
            for (const [offset, bytes] of staged) f.writeAt(offset, bytes);
            staged = [];
          },
        };
      },
    }),
  "keeps the caller's bytes": (good) =>
    wrap(good, {
      file: (f) => {
        const kept = [];
        return {
          writeAt(offset, bytes) {
            kept.push([offset, bytes]);
            f.writeAt(offset, bytes);
          },
          sync() {
            for (const [offset, bytes] of kept) f.writeAt(offset, bytes);
          },
        };
      },
    }),
  "fills what lies beyond the end": (good) =>
    wrap(good, {
      file: (f) => ({
        readAt(offset, into) {
          const got = f.readAt(offset, into);
          into.fill(0, got);
          return got;
        },
      }),
    }),
  "answers the length asked for": (good) => wrap(good, { file: (f) => ({ readAt: (offset, into) => (f.readAt(offset, into), into.length) }) }),
  "creates over what is there": (good) =>
    wrap(good, {
      storage: (s) => ({
        openFile(name, mode) {
          if (mode === "create") s.remove(name);
          return s.openFile(name, mode);
        },
      }),
    }),
  "forgets to remove": (good) => wrap(good, { storage: () => ({ remove() {} }) }),
  "keeps the lock": (good) => wrap(good, { storage: () => ({ close() {} }) }),
  "lets two writers in": (good) =>
    wrap(good, {
      place: (adapter) => {
        const open = new Map();
        return {
          async open(name, options) {
            if (open.has(name) && !options.readOnly) return open.get(name);
            const storage = await adapter.open(name, options);
            if (options.readOnly) return storage;
            const close = storage.close.bind(storage);
            storage.close = () => {
              open.delete(name);
              close();
            };
            open.set(name, storage);
            return storage;
          },
        };
      },
    }),
  "destroys nothing": (good) => wrap(good, { place: () => ({ destroy: async () => undefined }) }),
};
