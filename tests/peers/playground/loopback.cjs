// Loaded before the Playground: it has no option for either, and would listen on every interface and outlive its parent.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (where, ...rest) {
  const options = typeof where === "object" && where !== null ? where : { port: where };
  return listen.call(this, { ...options, host: "127.0.0.1" }, ...rest.filter((each) => typeof each === "function"));
};

process.stdin.once("close", () => process.exit(0)); // whoever started it is gone, or done
process.stdin.resume();
