// JSON.stringify(JSON.parse(...)) of each line; both in base64.
require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const again = JSON.stringify(JSON.parse(Buffer.from(line, "base64").toString()));
    console.log(Buffer.from(again).toString("base64"));
  });
