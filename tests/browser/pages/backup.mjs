/** Backups and purges in a browser: of a database that tabs share. */
import { backups, open, removeBackup, restore } from "/js/dist/platform/browser.js";

const row = (i) => Float32Array.from({ length: 8 }, (_, d) => Math.sin(i * 8 + d));
const codeOf = (work) => work.then(() => "", (error) => error.code);

export async function course(storage) {
  const place = { name: `backups-${storage}`, storage };
  const shared = { storage, ownerTimeoutMs: 60_000 }; // nobody robs another one that a busy machine lets wait
  const holder = await open(`shared-${storage}`, shared);
  const guest = await open(`shared-${storage}`, shared);
  const c = await holder.collection("c", { vector: { dimensions: 8, metric: "l2" } });
  await c.upsert(Array.from({ length: 50 }, (_, i) => ({ id: i, vector: row(i) })));
  const answers = { roles: [(await holder.info()).role, (await guest.info()).role] };
  answers.first = (await holder.backup(place)).backup;
  answers.guest = await codeOf(guest.backup(place));
  await c.upsert([{ id: 50, vector: row(50) }]);
  answers.second = (await holder.backup(place)).backup;
  answers.clone = (await holder.clone({ name: `clone-${storage}`, storage })).files > 0;
  await holder.close();
  // Who was a guest holds it now.
  await (await guest.collection("c")).upsert([{ id: 51, vector: row(51) }]);
  answers.third = (await guest.backup(place)).backup;
  const third = await open(`shared-${storage}`, shared);
  // By the one that holds it, and by a guest of it.
  answers.purged = [(await (await guest.collection("c")).purge([0, 999])).deleted, (await (await third.collection("c")).purge(1)).deleted];
  await third.close();
  await guest.close();

  answers.list = (await backups(place, { verify: true })).map(({ backup, state }) => [backup, state]);
  await removeBackup(place, 2);
  answers.rest = (await backups(place)).map(({ backup }) => backup);
  await restore(place, { name: `restored-${storage}`, storage }, { backup: 1 });
  answers.counts = [];
  for (const name of ["restored", "clone", "shared"]) {
    const db = await open(`${name}-${storage}`, { storage, create: false });
    answers.counts.push(await (await db.collection("c")).count());
    await db.check();
    await db.close();
  }
  return answers;
}
