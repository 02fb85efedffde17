// Screens of other people: the npm clients as an app uses them. Prints what each is told as lines of JSON.
// argv: address of the gateway, key, then the screens as library@version of the protocol. stdin: {"who", "send"} a broadcast over the
// socket, {"who", "http"} the same without it.
const [url, key, ...screens] = process.argv.slice(2);
const say = (told) => process.stdout.write(JSON.stringify(told) + "\n");
const channels = new Map();

for (const who of screens) {
  const cut = who.lastIndexOf("@");
  const [library, vsn] = [who.slice(0, cut), who.slice(cut + 1)];
  const options = { params: { apikey: key }, ...(library === "realtime-js-newest" ? { vsn } : {}) };
  const client =
    library === "@supabase/supabase-js"
      ? require(library).createClient(url, key)
      : new (require(library).RealtimeClient)(url.replace("http", "ws") + "/realtime/v1", options);
  const channel = client.channel("operator-terminal-changes", { config: { broadcast: { ack: true, self: false } } });
  for (const filter of ["wip_limit=gte.10", undefined]) {
    channel.on("postgres_changes", { event: "*", schema: "public", table: "cells", filter }, (change) => say({ who, filter: filter ?? null, change }));
  }
  channel.on("broadcast", { event: "cursor" }, ({ payload }) => say({ who, broadcast: payload }));
  channel.subscribe((status, error) => say({ who, status, error: error && String(error) }));
  channels.set(who, channel);
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { who, send, http } = JSON.parse(line);
    const channel = channels.get(who);
    if (send !== undefined) say({ who, sent: await channel.send({ type: "broadcast", event: "cursor", payload: send }) });
    else say({ who, sent: (await channel.httpSend("cursor", http)).success });
  })
  .on("close", () => process.exit(0));
