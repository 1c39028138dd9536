// Starts `emulate` as a Slack server: node launch.mjs FOLDER, where FOLDER holds node_modules.
// Reads one line of JSON, {port, seed}, from standard input; writes one, {url}, once it listens; ends with that input.
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const dist = resolve(process.argv[2], "node_modules/emulate/dist");
const load = (file) => import(pathToFileURL(join(dist, file)));

// No public way leads to its webhooks, so its plugin is registered through ours, which keeps them. The plugin lies in a
// file with a hashed name, and is the very object that createEmulator loads.
async function slackPlugin() {
  for (const file of await readdir(dist)) {
    if (/^dist-\w+\.js$/.test(file) && (await readFile(join(dist, file), "utf8")).includes("var slackPlugin =")) {
      return (await load(file)).slackPlugin;
    }
  }
  throw new Error("this release of emulate has no Slack plugin where it was looked for");
}

// What Slack's app settings would be for: who is told of events, and how that went.
function addSettings(app, webhooks) {
  app.post("/peer/subscriptions", async (c) => {
    const { url } = await c.req.json();
    return c.json(webhooks.register({ url, events: ["*"], active: true, owner: "slack" }));
  });
  app.get("/peer/deliveries", (c) => c.json(webhooks.getDeliveries()));
}

const plugin = await slackPlugin();
const register = plugin.register;
plugin.register = (app, store, webhooks, ...rest) => {
  register.call(plugin, app, store, webhooks, ...rest);
  addSettings(app, webhooks);
};

const lines = createInterface({ input: process.stdin });
lines.once("close", () => process.exit(0)); // whoever started it is gone, or done
lines.once("line", async (line) => {
  const { port, seed } = JSON.parse(line);
  const { createEmulator } = await load("api.js");
  const { url } = await createEmulator({ service: "slack", port, baseUrl: `http://127.0.0.1:${port}`, seed });
  console.log(JSON.stringify({ url }));
});
