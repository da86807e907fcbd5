import { expect, test } from "vitest";
import { MemoryStore } from "../access/testing/memoryStore.ts";
import { fairOrder } from "./fairOrder.ts";
import { FileStore } from "./fileStore.ts";

const job = (id: string, number: number, priority = 0) => {
  return { job: { id, owner: id[0], priority }, number };
};
const order = (waiting: readonly ReturnType<typeof job>[], served: Readonly<Record<string, number>> = {}) =>
  fairOrder(waiting, new Map(Object.entries(served))).map(({ job: { id } }) => id);

test.each<[string, ReturnType<typeof job>[], Record<string, number>, string[]]>([
  ["none", [], {}, []],
  ["by age", [job("a2", 2), job("a1", 1), job("a3", 3)], {}, ["a1", "a2", "a3"]],
  ["by priority, then by age", [job("a1", 1, 5), job("a3", 3, 2), job("a2", 2, 2)], {}, ["a2", "a3", "a1"]],
  ["owners in turn, the oldest job's first", [job("a3", 3), job("b2", 2), job("a4", 4)], {}, ["b2", "a3", "a4"]],
  ["the age of an owner is that of its oldest", [job("b3", 3), job("a9", 9, -1), job("a1", 1)], {}, ["a9", "b3", "a1"]],
  ["owners by age also if another has a smaller priority", [job("a5", 5, -1), job("b2", 2)], {}, ["b2", "a5"]],
  ["the owner served longest ago first", [job("a1", 1), job("b2", 2)], { a: 7, b: 3 }, ["b2", "a1"]],
  [
    "an owner never served before others",
    [job("a1", 1), job("b2", 2), job("c3", 3)],
    { a: 0, b: -5 },
    ["c3", "b2", "a1"],
  ],
  ["owners served at once by age", [job("b2", 2), job("a1", 1)], { a: 4, b: 4 }, ["a1", "b2"]],
])("jobs come in a fair order: %s", (_, waiting, served, expected) => {
  expect(order(waiting, served)).toEqual(expected);
});

test.each<[string[], number]>([
  [[""], 0],
  [["a"], 1],
  [["a\n"], 1],
  [["a\nb"], 2],
  [["\n\na\n\r\n\r\nb\n"], 2],
  [["a", "b\n", "c"], 2],
  [["a\n", "\nb"], 2],
  [["\u000ba\n\u000eb\n\u000bc"], 3],
  [["a\rb"], 1],
])("the lines of %j are those that are not empty", async (pieces, lines) => {
  const store = new FileStore(new MemoryStore().objects);
  const content = (async function* () {
    for (const piece of pieces) yield new TextEncoder().encode(piece);
  })();
  const file = await store.add("red", content, { filename: "f", purpose: "fine-tune", slot: null });
  expect(file).toMatchObject({ bytes: pieces.join("").length, lines });
  expect(await store.ids("red")).toEqual([file.id]);
  expect(await store.ids("blue")).toEqual([]);
  expect(await store.find("red", file.id)).toEqual(file);
});
