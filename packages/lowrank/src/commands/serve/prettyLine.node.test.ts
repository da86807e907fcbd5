import { pino } from "pino";
import { expect, test } from "vitest";
import { prettyLine } from "./liveView.ts";

/** Formats the line that pino writes for `log`. */
function written(log: (logger: pino.Logger) => void, colors = false): string {
  const lines: string[] = [];
  log(pino({ level: "trace" }, { write: (line: string) => void lines.push(line) }));
  return lines.map((line) => prettyLine(line, { colors })).join("");
}

test("a line has the time, the level, the message and the fields", () => {
  const line = written((logger) => logger.info({ id: "a", status: 200 }, "answered"));
  expect(line).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: answered \{"id":"a","status":200\}\n$/);
  expect(written((logger) => logger.warn({}, "careful"))).toMatch(/\] WARN: careful\n$/);
});

test("an error's stack follows, indented", () => {
  const line = written((logger) => logger.error({ id: "a", err: new TypeError("broken") }, "failed"));
  expect(line).toMatch(/\] ERROR: failed \{"id":"a"\}\n {4}TypeError: broken\n {8}at /);
});

test("levels are coloured only if the option is set", () => {
  expect(written((logger) => logger.info("x"), true)).toContain("\u001b[32mINFO\u001b[39m: x");
  expect(written((logger) => logger.info("x"))).not.toContain("\u001b");
});

test("control characters of a message are escaped", () => {
  const line = written((logger) => logger.warn({ id: "\u001b[2J" }, "a\u001b[2Jb\nc"));
  expect(line).toContain('a\\u001b[2Jb c {"id":"\\u001b[2J"}');
});

test.each([
  [10, "TRACE"],
  [20, "DEBUG"],
  [30, "INFO"],
  [40, "WARN"],
  [50, "ERROR"],
  [60, "FATAL"],
  [35, "35"],
])("level %d is %s", (level, name) => {
  const line = prettyLine(JSON.stringify({ level, time: 0, msg: "m" }), { colors: false });
  expect(line.replace(/^\[[\d:]{8}\] /, "")).toBe(`${name}: m\n`);
});
