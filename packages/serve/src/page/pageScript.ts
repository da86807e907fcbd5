/** JavaScript of the server's web page. It inserts texts from the server and its users as text, never as HTML. */
export const pageScript = `
"use strict";
const at = (id) => document.getElementById(id);
const make = (name, className, text) => {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
};
const sides = ["left", "right"].map((id) => ({
  select: at(id + "-model"), turns: at(id + "-turns"), note: at(id + "-note"), messages: [],
}));
const key = at("key");
key.value = sessionStorage.getItem("lowrank-key") || "";
const headers = () => ({ "content-type": "application/json", ...(key.value && { authorization: "Bearer " + key.value }) });
let running = null;

async function failure(response) {
  const text = await response.text();
  try { return JSON.parse(text).error.message; } catch { return response.status + " " + text; }
}

/** Reads a response of server-sent events. Calls the function take with the parsed data of each event. */
async function readEvents(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\\n\\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data !== "[DONE]") take(JSON.parse(data));
    }
  }
}

/** True if the model accepts chats. False if it has no chat template; the page then lets it continue texts. */
let chats = true;
function showKind({ task, chat_template }) {
  chats = chat_template;
  at("ask").hidden = task === "embed";
  at("prompt").placeholder = chats ? "Ask both; Enter sends" : "Begin a text, which both continue; Enter sends";
  at("kind").textContent = task === "embed" ? "This model makes embeddings: send texts to /v1/embeddings." :
    chats ? "" : "This model has no chat template: it continues each text by itself, without the texts before.";
}

async function listModels() {
  const response = await fetch("/v1/models", { headers: headers() });
  at("state").textContent = response.ok ? "" : await failure(response);
  if (!response.ok) return;
  const { data } = await response.json();
  if (data.length > 0) showKind(data[0].lowrank);
  const names = data.map(({ id }) => id);
  for (const [i, { select }] of sides.entries()) {
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => make("option", "", name)));
    select.value = names.includes(chosen) ? chosen : names[Math.min(i, names.length - 1)];
  }
}

function addTurn(side, className, text) {
  const turn = make("div", "turn " + className, text);
  side.turns.append(turn);
  side.turns.scrollTop = side.turns.scrollHeight;
  return turn;
}

async function ask(side, prompt, signal) {
  side.messages.push({ role: "user", content: prompt });
  addTurn(side, "user", prompt);
  const answer = addTurn(side, "assistant", "");
  const start = performance.now();
  let tokens = 0;
  try {
    const body = { model: side.select.value, ...(chats ? { messages: side.messages } : { prompt }), stream: true,
      temperature: Number(at("temperature").value), max_tokens: Number(at("tokens").value) };
    const path = chats ? "/v1/chat/completions" : "/v1/completions";
    const response = await fetch(path, { method: "POST", headers: headers(), body: JSON.stringify(body), signal });
    if (!response.ok) throw new Error(await failure(response));
    await readEvents(response, ({ error, choices }) => {
      if (error) throw new Error(error.message);
      const text = chats ? choices[0].delta.content : choices[0].text;
      if (!text) return;
      tokens++;
      answer.textContent += text;
      side.turns.scrollTop = side.turns.scrollHeight;
      side.note.textContent = (tokens / ((performance.now() - start) / 1000)).toFixed(1) + " pieces/s";
    });
    side.messages.push({ role: "assistant", content: answer.textContent });
  } catch (error) {
    // A turn without an answer would stand in the way of the next one.
    side.messages.pop();
    if (error.name !== "AbortError") addTurn(side, "error", error.message);
  }
}

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = at("prompt").value.trim();
  if (!prompt || running) return;
  at("prompt").value = "";
  running = new AbortController();
  at("stop").disabled = false;
  await Promise.all(sides.map((side) => ask(side, prompt, running.signal)));
  running = null;
  at("stop").disabled = true;
});
at("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("ask").requestSubmit();
});
at("stop").addEventListener("click", () => running && running.abort());
at("clear").addEventListener("click", () => {
  for (const side of sides) {
    side.messages = [];
    side.turns.replaceChildren();
    side.note.textContent = "";
  }
});
key.addEventListener("change", () => {
  sessionStorage.setItem("lowrank-key", key.value);
  listModels();
  watch();
});

/** Returns the CSS colour of an adapter, computed from its name. */
function colour(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return "hsl(" + hash + " 55% 40%)";
}

let before = null;
function show(stats) {
  const now = performance.now();
  const rate = before ? (stats.newTokens - before.newTokens) / ((now - before.now) / 1000) : 0;
  before = { newTokens: stats.newTokens, now };
  // Keys other than operators get their own requests alone.
  const whole = stats.pages ? " · " + stats.batchRows + " rows · " + Math.max(0, rate).toFixed(1) + " tokens/s · pages " +
    stats.pages.used + " of " + stats.pages.total + " · adapters " + stats.adapters.resident + " of " +
    stats.adapters.registered + " in memory" : "";
  at("numbers").textContent = stats.running + " running, " + stats.waiting + " waiting" + whole;
  at("batch").replaceChildren(...stats.requests.slice(0, 200).map(({ adapter, state, newTokens }) => {
    const name = adapter === null ? "(base)" : adapter;
    const row = make("span", "row " + state, name + " " + newTokens);
    row.style.background = colour(name);
    return row;
  }));
}

let watching = null;
async function watch() {
  if (watching) watching.abort();
  const own = watching = new AbortController();
  while (!own.signal.aborted) {
    try {
      const response = await fetch("/stats", { headers: headers(), signal: own.signal });
      if (response.ok) await readEvents(response, show);
      else at("numbers").textContent = await failure(response);
    } catch (error) {
      if (error.name !== "AbortError") at("numbers").textContent = "no connection";
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

listModels();
watch();
`;
