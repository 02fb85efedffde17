// The official TypeScript SDK: calls the tools that come as lines of JSON, over HTTP or stdio, and says what came of each.
"use strict";
const readline = require("node:readline");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");

const say = (told) => console.log(JSON.stringify(told));
const [how, where, ...words] = process.argv.slice(2);

function transport() {
  if (how === "http") {
    const headers = { Authorization: `Bearer ${words[0]}` };
    return new StreamableHTTPClientTransport(new URL(where), { requestInit: { headers } });
  }
  return new StdioClientTransport({ command: where, args: words, env: process.env, stderr: "ignore" });
}

async function main() {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport());
  say({ server: client.getServerVersion().name, tools: (await client.listTools()).tools.map((tool) => tool.name) });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { tool, given } = JSON.parse(line);
    try {
      const result = await client.callTool({ name: tool, arguments: given });
      say({ tool, error: result.isError === true, told: JSON.parse(result.content[0].text) });
    } catch (problem) {
      say({ tool, code: problem.code, message: problem.message });
    }
  }
  await client.close();
}

main().catch((problem) => {
  console.error(problem);
  process.exitCode = 1;
});
