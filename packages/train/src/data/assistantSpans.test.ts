import type { ChatMessage } from "@lowrank/models";
import { expect, it } from "vitest";
import { assistantSpans } from "./assistantSpans.ts";

const turns: ChatMessage[] = [
  { role: "user", content: "one" },
  { role: "assistant", content: "two" },
  { role: "user", content: "three" },
  { role: "assistant", content: "four" },
];
const line = ({ role, content }: ChatMessage) => `${role}: ${content}\n`;

/** Returns the parts of the conversation that the assistant writes. */
async function writtenIn(prompt: string): Promise<string[]> {
  const applyChatTemplate = (messages: readonly ChatMessage[], options: { addGenerationPrompt?: boolean } = {}) =>
    messages.map(line).join("") + (options.addGenerationPrompt ? prompt : "");
  const tokenizer = { applyChatTemplate, encode: (text: string) => [...text].map((c) => c.charCodeAt(0)) };
  const text = applyChatTemplate(turns);
  return (await assistantSpans(tokenizer as never, turns, text)).map(([from, to]) => text.slice(from, to));
}

it("the opening of a turn is learned only where no generation prompt has it", async () => {
  expect(await writtenIn("assistant: ")).toEqual(["two\n", "four\n"]);
  expect(await writtenIn("")).toEqual(["assistant: two\n", "assistant: four\n"]);
});
