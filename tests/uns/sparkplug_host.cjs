// A Sparkplug host application made of other people's libraries: mqtt.js, and sparkplug-payload as the decoder.
// Prints what it hears as lines of JSON; stdin: {"command": {...metrics}, "topic"}, {"publish", "topic", "retain"}.
const mqtt = require("mqtt");
const { get } = require("sparkplug-payload");
const sparkplug = get("spBv1.0");
const [url, username, password] = process.argv.slice(2);

const client = mqtt.connect(url, { username: username || undefined, password: password || undefined, protocolVersion: 5, reconnectPeriod: 100 });
const say = (told) => process.stdout.write(JSON.stringify(told, plain) + "\n");
// Long becomes a number; who decodes tells a null by its value alone
const plain = (_, value) => (value && typeof value === "object" && "low" in value && "high" in value ? Number(BigInt(value.toString())) : value);

client.on("connect", () => client.subscribe("spBv1.0/#", { qos: 1 }, () => say({ subscribed: true })));
client.on("error", (error) => say({ error: String(error) }));
client.on("message", (topic, message, packet) => {
  const [, group, kind, node, device] = topic.split("/");
  if (group === "STATE" || kind === "NCMD") return;
  say({ group, kind, node, device: device ?? null, qos: packet.qos, retain: packet.retain, ...sparkplug.decodePayload(message) });
});

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const told = JSON.parse(line);
    const message = told.command ? Buffer.from(sparkplug.encodePayload(told.command)) : told.publish;
    client.publish(told.topic, message, { qos: 1, retain: told.retain ?? false }, () => say({ published: told.topic }));
  })
  .on("close", () => client.end(true, () => process.exit(0)));
