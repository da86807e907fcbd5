import { expect, test } from "vitest";
import { PythonFloat, pythonJson } from "./pythonJson.ts";

test("the layout is that of json.dumps(value, indent=2, sort_keys=True) in Python", () => {
  const value = { b: [1, "ü\u007f", []], a: { z: null, c: {} }, f: new PythonFloat(3), "\u00e9": true, t: "\t😀" };
  expect(pythonJson(value)).toBe(
    [
      "{",
      '  "a": {',
      '    "c": {},',
      '    "z": null',
      "  },",
      '  "b": [',
      "    1,",
      String.raw`    "\u00fc\u007f",`,
      "    []",
      "  ],",
      '  "f": 3.0,',
      String.raw`  "t": "\t\ud83d\ude00",`,
      String.raw`  "\u00e9": true`,
      "}",
    ].join("\n"),
  );
  expect([pythonJson([]), pythonJson({}), pythonJson(null), pythonJson("a"), pythonJson(false)]).toEqual([
    ...["[]", "{}", "null", '"a"', "false"],
  ]);
});
