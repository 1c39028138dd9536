// Tencent's SDK as it is: node client.mjs FOLDER, where FOLDER holds node_modules.
// Reads lines of JSON from standard input and ends with it. {open} are the options of a WSClient and opens one;
// {id, call, args} calls a method of it, {id, crypto, call, args} one of a WecomCrypto with these three arguments.
// Writes {id, told} or {id, refused}, and {event, frame} for whatever happens. Bytes stand as {base64}.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(resolve(process.argv[2], "package.json"));
const { WSClient, WecomCrypto } = require("@wecom/aibot-node-sdk");

const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const isObject = (value) => typeof value === "object" && value !== null;
const read = (value) => (isObject(value) && "base64" in value ? Buffer.from(value.base64, "base64") : value);
const written = (value) =>
  Buffer.isBuffer(value?.buffer) ? { ...value, buffer: { base64: value.buffer.toString("base64") } } : value;
const reason = (error) => (error instanceof Error ? error.message : JSON.stringify(error));

let client;

function open(options) {
  const silent = () => {};
  client = new WSClient({ ...options, logger: { debug: silent, info: silent, warn: silent, error: silent } });
  const emit = client.emit.bind(client);
  client.emit = (event, frame, ...rest) => {
    say({ event, frame: isObject(frame) && !(frame instanceof Error) ? frame : String(frame ?? "") });
    return emit(event, frame, ...rest);
  };
  client.on("error", silent);
  client.connect();
}

const lines = createInterface({ input: process.stdin });
lines.once("close", () => process.exit(0)); // whoever started it is gone, or done
lines.on("line", async (line) => {
  const asked = JSON.parse(line);
  if (asked.open) return open(asked.open);
  try {
    const target = asked.crypto ? new WecomCrypto(...asked.crypto) : client;
    say({ id: asked.id, told: written(await target[asked.call](...asked.args.map(read))) ?? null });
  } catch (error) {
    say({ id: asked.id, refused: reason(error) });
  }
});
