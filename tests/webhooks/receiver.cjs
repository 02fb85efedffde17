// A receiver as customers write them. Each request is one line of JSON; what is answered is told over stdin:
// {"then": [500, 503]} for the next requests, {"usual": 200} for all others, {"event": "job.started", "with": 400} for one kind.
// 0: no answer at all. -1: the connection is cut.
const crypto = require("node:crypto");
const http = require("node:http");
const readline = require("node:readline");

const secret = process.argv[2];
let usual = 200;
const then = [];
const kinds = {};

const hmac = (key, text, encoding) => crypto.createHmac("sha256", key).update(text).digest(encoding);
const say = (told) => process.stdout.write(JSON.stringify(told) + "\n");

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const raw = Buffer.concat(pieces);
    const body = JSON.parse(raw.toString());
    const { headers } = request;
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${raw.toString()}`;
    const status = then.length ? then.shift() : (kinds[body.event] ?? usual);
    say({
      path: request.url,
      headers,
      body,
      text: raw.toString(),
      raw: headers["x-eryxon-signature"] === `sha256=${hmac(secret, raw, "hex")}`,
      stringified: headers["x-eryxon-signature"] === `sha256=${hmac(secret, JSON.stringify(body), "hex")}`,
      standard: headers["webhook-signature"] === `v1,${hmac(secret, signed, "base64")}`,
      status,
    });
    if (status === -1) return request.socket.destroy();
    if (status === 0) return undefined;
    if (status === 302) response.setHeader("Location", "/elsewhere");
    response.statusCode = status;
    return response.end(`said ${status}`);
  });
});

server.listen(Number(process.argv[3] ?? 0), "127.0.0.1", () => say({ port: server.address().port }));
readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const told = JSON.parse(line);
    if (told.usual !== undefined) usual = told.usual;
    if (told.then) then.push(...told.then);
    if (told.event) kinds[told.event] = told.with;
    say({ heard: told });
  })
  .on("close", () => process.exit(0));
