import { expect, test } from "vitest";
import { runCommand } from "../../testing/runCommand.ts";

test("published numbers, with those that cannot be computed and why", async () => {
  const { stdout } = await runCommand(["report", "--published"]);
  const lines = stdout.split("\n");
  expect(lines[0]).toBe(
    "109 of 130 published numbers agree: to the digit, or to the digits that were printed (rounded or cut).",
  );
  const rows = lines.map((line) => line.split(/ {2,}/));
  const computed = (agreement: string) => rows.flatMap((cells) => (cells[4] === agreement ? [cells[3]] : []));
  expect([computed("exact").length, computed("rounded").length]).toEqual([55, 47]);
  expect(computed("cut")).toEqual(["301,989,888", "491,520", "36,864", "18,456", "9,437,184", "24,576", "1,572,864"]);
  expect(computed("differs")).toEqual([
    ...["354,823,168", "11,064,576", "393,216", "737,280", "174,604,259,328", "12,976,128", "18,874,368"],
    ...["603,979,776", "75,497,472", "124,645,632", "355,359,744", "1,564,549,632", "3,171,840", "6,343,680"],
    ...["2,359,296", "0.361", "49,920", "2,362,368", "2,408,448", "1.8928", "73,435,928"],
  ]);
  expect(stdout).toMatch(/GPT-2 M, all +354.92M +354,823,168 +differs +GPT-2 L agrees/);
});
