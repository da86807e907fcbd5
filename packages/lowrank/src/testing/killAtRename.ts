import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/*
 * Kills this process before or after its nth rename or link of a file or folder: KILL_AT_RENAME="3 before". Load it
 * with `node --import`.
 */

const [number, when] = (process.env.KILL_AT_RENAME ?? "").split(" ");
let count = 0;

function die(): never {
  process.kill(process.pid, "SIGKILL");
  // Wait for the signal without doing anything else.
  for (;;);
}

/** Counts a rename, before or after it happens. */
function passes(moment: "before" | "after"): void {
  if (moment === "before") count++;
  if (count === Number(number) && moment === when) die();
}

const { rename } = fs.promises;
fs.promises.rename = async (from, to) => {
  passes("before");
  await rename(from, to);
  passes("after");
};
const { link } = fs.promises;
fs.promises.link = async (from, to) => {
  passes("before");
  await link(from, to);
  passes("after");
};
const { renameSync } = fs;
fs.renameSync = (from, to) => {
  passes("before");
  renameSync(from, to);
  passes("after");
};
syncBuiltinESMExports();
