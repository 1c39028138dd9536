// Starts `oidc-provider` on the loopback interface: node provider.mjs FOLDER, where FOLDER holds node_modules.
// Reads one line of JSON, {port, client, people}, from standard input; writes one, {issuer}, once it listens; ends with
// that input. Whoever signs in there is asked for a name alone, and known by it; `people` says which groups they are in.
import { createInterface } from "node:readline";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const home = resolve(process.argv[2], "node_modules/oidc-provider/lib/index.js");
const { Provider } = await import(pathToFileURL(join(home)));

// Everybody has agreed already to what the one client asks for.
async function grantOf(ctx) {
  const { clientId, accountId } = { clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId };
  const grant = new ctx.oidc.provider.Grant({ clientId, accountId });
  grant.addOIDCScope("openid profile email groups");
  await grant.save();
  return grant;
}

const lines = createInterface({ input: process.stdin });
lines.once("close", () => process.exit(0)); // whoever started it is gone, or done
lines.once("line", (line) => {
  const { port, client, people } = JSON.parse(line);
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [client],
    claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email"], groups: ["groups"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["a key of the tests"] },
    features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, email: `${id}@example.com`, groups: people[id] ?? [] }),
    }),
    loadExistingGrant: grantOf,
    pkce: { required: () => true },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  });
  provider.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ issuer })));
});
