import { expect, test } from "vitest";
import type { Expectation } from "../shared/suite.ts";
import { answerCheck } from "./expectations.ts";

const city = {
  type: "object",
  required: ["city"],
  additionalProperties: false,
  properties: { city: { type: "string" }, size: { enum: ["small", "large"] } },
};

test.each<[Expectation, string, string[]]>([
  [{ exact: "two" }, " two\n", []],
  [{ exact: "two words" }, "two wolves", ['exact: differs from character 7: "lves" instead of "rds"']],
  [{ contains: ["a", "b"] }, "ab", []],
  [
    { contains: ["a", "b"], notContains: "c" },
    "c",
    ['contains: "a" is missing', 'contains: "b" is missing', 'notContains: "c" occurs'],
  ],
  [{ matches: "^\\d+$" }, "12", []],
  [{ matches: /^\p{L}/gu }, "1", ["matches: /^\\p{L}/gu matches nothing"]],
  [{ schema: city }, '{"city": "Rome", "size": "large"}', []],
  [{ schema: city }, "Rome", ["schema: the answer is not JSON: Unexpected token 'R', \"Rome\" is not valid JSON"]],
  [
    { schema: city },
    '{"size": "huge", "x": 1}',
    [
      "schema: the answer must have required property 'city'",
      "schema: the answer must NOT have additional properties: x",
      'schema: /size must be equal to one of the allowed values: "small", "large"',
    ],
  ],
  [
    { schema: { anyOf: [{ not: { type: "number" } }, { minimum: 5 }], dependentRequired: { a: ["b"] } } },
    "3",
    [
      "schema: the answer must NOT be valid",
      "schema: the answer must be >= 5",
      "schema: the answer must match a schema in anyOf",
    ],
  ],
  [{ check: (answer) => answer === "x" }, "y", ["check: returned false"]],
  [{ check: async () => "too short" }, "y", ["check: too short"]],
  [{ check: () => true }, "y", []],
  [
    { check: () => undefined as never },
    "y",
    ["check: returned undefined; return true if the answer is right, or a text that describes the problem"],
  ],
  [
    {
      check: () => {
        throw new Error("boom");
      },
    },
    "y",
    ["check: it threw Error: boom"],
  ],
])("%j of %j", async (expected, answer, problems) => {
  const check = await answerCheck(expected, ["prompts", 0]);
  expect(await check(answer)).toEqual(problems);
  // A global expression must not keep its position.
  expect(await check(answer)).toEqual(problems);
});

test.each<Expectation>([{}, { contains: [] }])("%j is no requirement", async (expected) => {
  await expect(answerCheck(expected, ["prompts", 1])).rejects.toThrow(
    "prompts[1]: there is no requirement; give exact, contains, notContains, matches, schema, check",
  );
});

test.each<[object, string]>([
  [{ $async: true, type: "string" }, "prompts[2].schema.$async: is true; asynchronous schemas are not supported"],
  [{ typ: "object" }, 'prompts[2].schema: strict mode: unknown keyword: "typ"; correct the schema'],
  [{ type: "objct" }, "prompts[2].schema: schema is invalid"],
  [
    { type: "string", format: "date" },
    'prompts[2].schema: unknown format "date" ignored in schema at path "#"; formats are not checked, use pattern',
  ],
])("the schema %j is refused", async (schema, message) => {
  await expect(answerCheck({ schema }, ["prompts", 2])).rejects.toThrow(message);
});

test("draft-07 schemas are supported", async () => {
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    items: [{ type: "number" }, { type: "string" }],
  };
  const check = await answerCheck({ schema }, []);
  expect(await check('[1, "x"]')).toEqual([]);
  expect(await check('["x", "x"]')).toEqual(["schema: /0 must be number"]);
});
