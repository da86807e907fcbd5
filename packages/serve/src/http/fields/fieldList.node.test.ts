import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type BodyFields, ignored } from "../requests/checkBody.ts";
import { chatFields } from "../routes/chat.ts";
import { completionFields } from "../routes/completions.ts";

const page = readFileSync(new URL("../../../../../docs/requestFields.md", import.meta.url), "utf8");

/** Returns the fields of a section's table for one of the two routes. */
function listed(section: string, route: "chats" | "completions"): string[] {
  const [, text] = new RegExp(`\\n## ${section}\\n(.*?)(\\n## |$)`, "s").exec(page)!;
  return text.split("\n").flatMap((line) => {
    const [, names = "", of = ""] = line.split("|").map((cell) => cell.trim());
    if (of !== "both" && of !== route) return [];
    return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  });
}

test.each([
  ["chats", chatFields],
  ["completions", completionFields],
] as const)("the page lists every field of %s where it belongs, and no other", (route, fields: BodyFields) => {
  const unsupported = Object.entries(fields.unsupported);
  const expected = {
    "Acted on": fields.names,
    Ignored: unsupported.flatMap(([name, refusal]) => (refusal === ignored ? [name] : [])),
    Refused: unsupported.flatMap(([name, refusal]) => (refusal === ignored ? [] : [name])),
  };
  for (const [section, names] of Object.entries(expected)) {
    expect(listed(section, route).sort(), section).toEqual([...names].sort());
  }
});
