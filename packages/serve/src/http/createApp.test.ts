import { expect, test } from "vitest";
import { events, post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import { createApp } from "./index.ts";

const messages = [{ role: "user", content: "Say hello" }];

test("the app answers a chat without a server, in a page too", async () => {
  const app = createApp({ engine: new ScriptedEngine() });
  const response = await post(app, "/v1/chat/completions", { model: "test-base", messages });
  expect(response.status).toBe(200);
  const { choices } = await response.json();
  expect(choices[0].message.content).toBe("Hello there!");
});

test("it streams a chat without a server", async () => {
  const app = createApp({ engine: new ScriptedEngine() });
  const response = await post(app, "/v1/chat/completions", { model: "test-base", messages, stream: true });
  const found = await events(response);
  expect(found.at(-1)).toBe("[DONE]");
  const text = found.slice(0, -1).map(({ choices }) => choices[0].delta.content ?? "");
  expect(text.join("")).toBe("Hello there!");
});
