import { expect, it } from "vitest";
import { exportsOf } from "./exportsOf.ts";

it("lists values, types, renamed names and namespaces", () => {
  const source = `import "./methods.ts";

export { type Shape, sizeOf, inner as outer } from "./shape.ts";
export type { Backend } from "./backend.ts";
export * as schedules from "./schedules.ts";
`;
  expect(exportsOf("index.ts", source)).toEqual([
    { name: "Shape", isType: true },
    { name: "sizeOf", isType: false },
    { name: "outer", isType: false },
    { name: "Backend", isType: true },
    { name: "schedules", isType: false },
  ]);
});

it.each(['export * from "./shape.ts";', "export const answer = 42;"])("refuses %s", (statement) => {
  expect(() => exportsOf("index.ts", `${statement}\n`)).toThrow("index.ts: an entry may only have statements");
});
