import { init, reference } from "@lowrank/core";
import { expect, it } from "vitest";
import { byteLevelJson } from "../tokenizer/testing/byteLevelJson.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { chatEnds } from "./chatEnds.ts";
import { eos, tinyModel } from "./testing/scriptedModel.ts";

const letters = [..."abcdefghijklmnopqrstuvwxyz0:"];

/** Returns a tokenizer whose chat template ends messages with `end`. */
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
  // Plain text after a message does not end an answer, since the model may write it inside its answer.
  expect(await chatEnds(model, withTurns(":"))).toEqual([first]);
  expect(await chatEnds(model, withTurns(""))).toEqual([first]);
  expect(eos).not.toBe(first);
});
