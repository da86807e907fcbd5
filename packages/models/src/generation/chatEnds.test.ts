import { init, reference } from "@lowrank/core";
import { expect, it } from "vitest";
import { byteLevelJson } from "../tokenizer/testing/byteLevelJson.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { chatEnds } from "./chatEnds.ts";
import { eos, tinyModel } from "./testing/scriptedModel.ts";

const letters = [..."abcdefghijklmnopqrstuvwxyz0:"];

/** A tokenizer whose turns end in `end`. */
const withTurns = (end: string) =>
  new Tokenizer({
    tokenizerJson: {
      ...byteLevelJson([...letters, "<eos>", "<turn>"]),
      added_tokens: ["<eos>", "<turn>"].map((content, i) => ({ id: letters.length + i, content, special: true })),
    },
    tokenizerConfig: { eos_token: "<eos>" },
    chatTemplate: `{% for m in messages %}{{ m.role }}:{{ m.content }}${end}{% endfor %}`,
  });

it("are EOS, and the special token behind a turn where it is another", async () => {
  await init(reference());
  const model = tinyModel();
  const [first, second] = [letters.length, letters.length + 1];
  expect(await chatEnds(model, withTurns("<turn>"))).toEqual([first, second]);
  expect(await chatEnds(model, withTurns("<eos>"))).toEqual([first]);
  // Text behind a turn ends nothing: a model may write it inside of its answer.
  expect(await chatEnds(model, withTurns(":"))).toEqual([first]);
  expect(await chatEnds(model, withTurns(""))).toEqual([first]);
  expect(eos).not.toBe(first);
});
