import { init, reference } from "@lowrank/core";
import { expect, it } from "vitest";
import { byteLevelJson } from "../../tokenizer/testing/byteLevelJson.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { eos, tinyModel } from "../testing/scriptedModel.ts";
import { chatEnds } from "./textPieces.ts";
import { continuedChat } from "./textPrompt.ts";

const letters = [..."abcdefghijklmnopqrstuvwxyz0:"];

const bos = letters.length + 2;

/** Returns a tokenizer whose chat template ends messages with `end`, and which begins texts with <bos>. */
const withTurns = (end: string) =>
  new Tokenizer({
    tokenizerJson: {
      ...byteLevelJson([...letters, "<eos>", "<turn>", "<bos>"]),
      added_tokens: ["<eos>", "<turn>", "<bos>"].map((content, i) => {
        return { id: letters.length + i, content, special: true };
      }),
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<bos>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        special_tokens: { "<bos>": { id: "<bos>", ids: [bos], tokens: ["<bos>"] } },
      },
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

it.each([
  ["{% for m in messages %}{{ m.content }}{% endfor %}", "", ""],
  ["{% for m in messages %}{{ m.content }}{% endfor %}", "ab ", "ab "],
  ["{% for m in messages %}<{{ m.content }}>{% endfor %}", "ab ", "<ab "],
  ["{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", "ab ", "<ab"],
  ["{% for m in messages %}{{ m.content | trim }}{% endfor %}", " ", ""],
])("%j continues %j with %j", async (chatTemplate, content, expected) => {
  const tokenizer = new Tokenizer({ tokenizerJson: byteLevelJson(letters), chatTemplate });
  expect(await continuedChat([{ role: "assistant", content }], tokenizer)).toBe(expected);
});

it("cannot continue a message that the template leaves out", async () => {
  const tokenizer = new Tokenizer({ tokenizerJson: byteLevelJson(letters), chatTemplate: "a" });
  await expect(continuedChat([{ role: "assistant", content: "b" }], tokenizer)).rejects.toThrow(
    "the tokenizer: its chat template does not render the last message, of role assistant, so that the message cannot be continued",
  );
});
