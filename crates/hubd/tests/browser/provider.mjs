// An OpenID provider, on loopback or at an address: `node provider.mjs PEERS REDIRECT_URI SECRET [ADDRESS]`. Prints its
// issuer, ends with its input.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [peers, redirectUri, secret, address = "127.0.0.1"] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${peers}/node_modules/oidc-provider/lib/index.js`));

const people = {
  ada: { name: "Ada Lovelace", preferred_username: "Ada", email: "ada@uni.example", email_verified: true, groups: ["teachers"] },
  bob: { name: "Bob", preferred_username: "bob", email: "bob@uni.example", email_verified: false, groups: ["students"] },
  grace: { name: "Grace", preferred_username: "grace", email: "grace@uni.example", email_verified: true, groups: ["students"] },
  lin: { name: "Lin", preferred_username: "lin", email: "lin@uni.example", email_verified: true, groups: ["students"] },
  // Another account that took the name of the first.
  thief: { name: "Not Ada", preferred_username: "ada", email: "ada@uni.example", email_verified: true, groups: ["teachers"] },
  eve: { name: "Eve", preferred_username: "../eve", email: "eve@evil.example", email_verified: true, groups: [] },
};

const server = createServer();
await new Promise((listening) => server.listen(0, address, listening));
const issuer = `http://${address}:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: "hub", client_secret: secret, redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email", "email_verified"], groups: ["groups"] },
  // Without the verifier there is no token.
  pkce: { required: () => true },
  findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: `subject-of-${id}`, ...people[id] }) }),
  subjectTypes: ["public"],
});
server.on("request", provider.callback());
console.log(issuer);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
