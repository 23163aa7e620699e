// Bots on the npm package "chat": a client of the platforms, written by others, that our fakes of them must satisfy.
//
// `node bot.mjs SETTINGS` (JSON: for each kind, what its adapter is made with) writes the address where it listens as
// its first line, and ends with its standard input. Each address /KIND/NAME is a bot of its own with an empty memory.
// It repeats every question ("…?") and shows that it types after an unfinished message ("…"). GET /seen/KIND/NAME
// tells what its adapter made of the webhooks so far; POST /sign/KIND signs as the platform does, by code that is not
// ours.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";

import { createSlackAdapter } from "@chat-adapter/slack";
import { createMemoryState } from "@chat-adapter/state-memory";
import { createTelegramAdapter } from "@chat-adapter/telegram";
import { createTwilioAdapter } from "@chat-adapter/twilio";
import { signTwilioRequest } from "@chat-adapter/twilio/webhook";
import { createWhatsAppAdapter } from "@chat-adapter/whatsapp";
import { Chat, ConsoleLogger } from "chat";

const SETTINGS = JSON.parse(process.argv[2]);
const MAKE = {
  slack: createSlackAdapter,
  telegram: createTelegramAdapter,
  twilio: createTwilioAdapter,
  whatsapp: createWhatsAppAdapter,
};
const SIGN = {
  slack: ({ secret, at, body }) => `v0=${createHmac("sha256", secret).update(`v0:${at}:${body}`).digest("hex")}`,
  twilio: ({ secret, url, form }) =>
    signTwilioRequest({ authToken: secret, url, params: new URLSearchParams(form) }),
  whatsapp: ({ secret, body }) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
};

class Bot {
  constructor(kind) {
    this.kind = kind;
    this.seen = [];
    const logger = new ConsoleLogger("silent");
    this.chat = new Chat({
      adapters: { [kind]: MAKE[kind]({ ...SETTINGS[kind], logger }) },
      concurrency: "concurrent",
      logger,
      state: createMemoryState(),
      userName: "bot",
    });
    this.chat.onDirectMessage((thread, message) => this.read(thread, message));
    this.chat.onAction(({ user, messageId, actionId, value }) =>
      this.note("button", user, { id: messageId, text: value, action: actionId }),
    );
    this.chat.onReaction(({ user, messageId, rawEmoji, added }) =>
      this.note("reaction", user, { id: messageId, text: rawEmoji, added }),
    );
    this.chat.onSlashCommand(({ user, command, text }) => this.note("command", user, { text: `${command} ${text}` }));
  }

  async read(thread, { author, id, text, metadata, attachments }) {
    const files = attachments.map(({ type, mimeType, url }) => ({ type, mimeType, url }));
    this.note("message", author, { id, text, at: metadata.dateSent, edited: metadata.edited, files });
    if (text.endsWith("?")) await this.answer(thread, text);
    if (text.endsWith("…")) await thread.startTyping();
  }

  async answer(thread, text) {
    try {
      const { id } = await thread.post(text);
      this.note("answer", {}, { id, text });
    } catch (error) {
      this.note("failure", {}, { text: `${error.name} ${error.data?.error ?? error.code ?? error.message}` });
    }
  }

  note(type, { userId, fullName }, more) {
    this.seen.push({ type, author: userId, name: fullName, ...more });
  }

  // The adapter's response, once all is done that the webhook set going.
  async take(request) {
    const tasks = [];
    const response = await this.chat.webhooks[this.kind](request, { waitUntil: (task) => tasks.push(task) });
    await Promise.allSettled(tasks);
    return response;
  }
}

const bots = new Map();

function bot(address) {
  if (!bots.has(address)) bots.set(address, new Bot(address.split("/")[1]));
  return bots.get(address);
}

async function respond(request) {
  const { pathname } = new URL(request.url);
  const [, verb, kind] = pathname.split("/");
  if (verb === "seen") return Response.json(bot(pathname.slice("/seen".length)).seen);
  if (verb === "sign") return new Response(await SIGN[kind](await request.json()));
  return bot(pathname).take(request);
}

async function serve(incoming, outgoing) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method, headers, url } = incoming;
  const body = method === "GET" ? undefined : Buffer.concat(chunks);
  const response = await respond(new Request(`http://${headers.host}${url}`, { method, headers, body }));
  outgoing.writeHead(response.status, { "content-type": response.headers.get("content-type") ?? "text/plain" });
  outgoing.end(await response.text());
}

const server = createServer((incoming, outgoing) =>
  serve(incoming, outgoing).catch((error) => outgoing.writeHead(500).end(String(error.stack))),
);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on("end", () => process.exit());
