const parameters = {
  type: "object",
  properties: {
    city: { type: "string", description: "A city" },
    days: { type: "integer", enum: [1, 2, 3] },
    ratio: { type: "number", default: 0.5 },
    tags: { type: "array", items: { type: "string" } },
  },
  required: ["city"],
};
const tools = [
  { type: "function", function: { name: "get_weather", description: 'Weather "now" in São Paulo', parameters } },
  {
    type: "function",
    function: { name: "stop", description: "Stops.", parameters: { type: "object", properties: {} } },
  },
];

const user = (content: unknown) => ({ role: "user", content });
const system = (content: string) => ({ role: "system", content });
const assistant = (content: string | null, more: object = {}) => ({ role: "assistant", content, ...more });
const call = (id: string, given: unknown) => ({
  id,
  type: "function",
  function: { name: "get_weather", arguments: given },
});
const result = (id: string, content: string) => ({ role: "tool", name: "get_weather", tool_call_id: id, content });

/** A conversation, and variables that templates on the Hub use. */
export interface Conversation {
  messages: Record<string, unknown>[];
  addGenerationPrompt?: boolean;
  variables?: Record<string, unknown>;
}

const [first, second] = ["call12345", "call67890"];
const asked = [user("Weather?"), assistant("", { tool_calls: [call(first, { city: "Rome", x: [1.5, null, true] })] })];

/** Conversations for rendering real templates. */
export const conversations: Readonly<Record<string, Conversation>> = {
  "one user": { messages: [user("Hi, <b>é😀</b>")] },
  "a prompt": { messages: [user("Hi")], addGenerationPrompt: true },
  "several turns": { messages: [system("Be brief."), user("Hi"), assistant("\n\nHello\n  code"), user(" again ")] },
  tools: { messages: [system("Use tools."), user("W?")], addGenerationPrompt: true, variables: { tools } },
  "a tool call": {
    messages: [...asked, result(first, '{"t": 21.0}')],
    addGenerationPrompt: true,
    variables: { tools },
  },
  "arguments as text": {
    messages: [
      user("Weather?"),
      assistant("Let me see", { tool_calls: [call(first, '{"city": "Rome"}')] }),
      result(first, "21"),
      assistant("It is 21."),
      user("Thanks"),
    ],
    variables: { tools },
  },
  "two tool calls": {
    messages: [
      user("W?"),
      assistant(null, { tool_calls: [call(first, { city: "A" }), call(second, { city: "B", days: 3 })] }),
      result(first, "1"),
      result(second, "2"),
    ],
    addGenerationPrompt: true,
    variables: { tools },
  },
  thinking: {
    messages: [user("2+2?"), assistant("<think>\nfour\n</think>\n\n4"), user("3+3?")],
    addGenerationPrompt: true,
    variables: { enable_thinking: true },
  },
  "no thinking": {
    messages: [user("2+2?"), assistant("4", { reasoning_content: "\nfour\n" }), user("3+3?")],
    addGenerationPrompt: true,
    variables: { enable_thinking: false },
  },
  "parts of text": {
    messages: [
      user([
        { type: "text", text: "See" },
        { type: "text", text: " this" },
      ]),
      assistant("ok"),
    ],
  },
  "an image": { messages: [user([{ type: "image" }, { type: "text", text: "what?" }])], addGenerationPrompt: true },
  "two users": { messages: [user("a"), user("b")] },
  "a developer": {
    messages: [{ role: "developer", content: "d" }, user("a")],
    addGenerationPrompt: true,
    variables: { documents: [{ title: "T", text: "doc text" }] },
  },
  "an answer to continue": { messages: [user("a"), assistant("begin of an answer")] },
};
