/** The package's worker, which also takes orders of a test: to stand still for a while, to lose its IndexedDB connections, to have no room. */
import "/js/dist/worker.js";

const connections = new Set();
const transaction = IDBDatabase.prototype.transaction;
let full = false;
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  connections.add(this);
  if (full && mode === "readwrite") throw new DOMException("no room, says the test", "QuotaExceededError");
  return transaction.call(this, stores, mode, options);
};
const handle = globalThis.FileSystemSyncAccessHandle?.prototype;
if (handle !== undefined) {
  const write = handle.write;
  handle.write = function (bytes, options) {
    if (full) throw new DOMException("no room, says the test", "QuotaExceededError");
    return write.call(this, bytes, options);
  };
}
const receive = globalThis.onmessage;
globalThis.onmessage = (event) => {
  const { freeze, lose, room, done } = event.data;
  if (freeze !== undefined) {
    Atomics.store(freeze, 0, 1);
    Atomics.wait(freeze, 0, 1);
  } else if (lose === true) for (const connection of connections) connection.close();
  else if (room !== undefined) full = !room;
  else return receive(event);
  done?.postMessage("done");
};
